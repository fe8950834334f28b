// What the parameters are made of: a wrong or missing key is refused by the compiler, not by Azure in the middle of a deployment.
@export()
@description('Tags of a resource.')
type tagsType = {
  *: string
}

@export()
@description('App settings: STEWARD_… of docs/settings.md.')
type settingsType = {
  *: string
}

@export()
@description('A workspace whose events come in.')
type workspaceType = {
  name: string
  resourceGroup: string
  location: string
}

@export()
@description('A subscription: where the app may manage Azure ML in it, groups or all, and which groups and workspaces it hears events of.')
type subscriptionType = {
  id: string
  resourceGroups: string[]
  wholeSubscription: bool
  eventResourceGroups: string[]
  eventWorkspaces: workspaceType[]
}

@export()
@description('Warm instances of a group that scales by itself: http, or function: and the name of a function that is not HTTP.')
type readyType = {
  name: string
  instanceCount: int
}

@export()
@description('Resource ids of private DNS zones that are there already.')
type zonesType = {
  blob: string
  queue: string
  table: string
  sites: string
}

@export()
@description('Categories of resource logs that are kept, by the resource that writes them.')
type logsType = {
  app: string[]
  blobs: string[]
  queues: string[]
  tables: string[]
  vault: string[]
}

@export()
@description('A monthly budget of the app\'s group, in the subscription\'s currency; 0: none. It begins on the first of a month.')
type budgetType = {
  amount: int
  start: string
}
