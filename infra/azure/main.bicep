// Everything that azureml-steward needs: one resource group, and its roles in each subscription where Azure ML lives.
// `azd up` and `az deployment sub create` both start here; docs/deploy.md says what the parameters mean together.
targetScope = 'subscription'

import { budgetType, logsType, readyType, settingsType, subscriptionType, workspaceType, zonesType } from 'types.bicep'

@description('Names the environment, e.g. dev or prod: part of every name, and the tag by which azd finds it again.')
@minLength(1)
@maxLength(24)
param environmentName string

@description('Region; one that offers Flex Consumption.')
param location string

@description('Resource group of the app; made when it is not there.')
param resourceGroupName string = 'rg-steward-${environmentName}'

@description('Resource groups of this subscription in which the app may manage Azure ML. The first is the default of paths that name none.')
param targetResourceGroups string[] = []

@description('The roles are given on the subscription instead of on targetResourceGroups. The one that only reads always is.')
param wholeSubscription bool = false

@description('More subscriptions of the same tenant: the app reads each whole, manages Azure ML and hears of events where it says.')
param otherSubscriptions subscriptionType[] = []

@description('The app may also make what a workspace stands on: storage accounts, vaults, registries, resource groups and the like.')
param mayProvision bool = true

@description('The app may register resource providers (an action of the subscription).')
param mayRegisterProviders bool = true

@description('The app may share the quota of a region out among workspaces (an action of the subscription).')
param mayUpdateQuotas bool = false

@description('The app may write blobs in storage accounts of the target groups by its own identity, where no key opens a datastore.')
param mayWriteBlobs bool = false

@description('Workspaces whose events go into the app. A workspace that has a system topic already cannot have a second.')
param eventWorkspaces workspaceType[] = []

@description('Resource groups whose events about Azure ML go into the app. Not with privateNetworking: storage refuses their topics.')
param eventResourceGroups string[] = []

@description('Instances kept warm, by group: http, or function: and a function that is not HTTP. Without, a start is waited for.')
param alwaysReady readyType[] = []

@description('The most instances that the platform starts. 13 groups of functions scale by themselves: fewer may keep one of them waiting.')
@minValue(1)
@maxValue(1000)
param maximumInstances int = 40

@description('What becomes of running requests at a deployment: Recreate cuts them off, RollingUpdate (a preview of Azure) lets them end.')
@allowed([
  'Recreate'
  'RollingUpdate'
])
param siteUpdateStrategy string = 'Recreate'

@description('Memory of an instance in MB.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int = 2048

@description('Instances in several availability zones, where the region has them; each of 13 groups then has two warm ones at least.')
param zoneRedundant bool = false

@description('HTTP requests that one instance takes at once.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int = 32

@description('App settings named STEWARD_…, see docs/settings.md; what is not named keeps its default.')
param stewardSettings settingsType = {}

@description('Key Vault with the secret of webhooks; none is needed unless webhooks are signed.')
param keyVaultName string = ''

@description('Resource group of that vault.')
param keyVaultResourceGroup string = resourceGroupName

@description('Name of that secret, whose value goes to STEWARD_WEBHOOK_SECRETS.')
param webhookSecretName string = 'steward-webhook-secrets'

@description('Client id of an Entra ID application: callers then need a token for it besides the function key. Empty: the key alone.')
param authClientId string = ''

@description('Client ids of the applications that may call; empty: every caller of the tenant that Entra ID gives a token.')
param authAllowedApplications string[] = []

@description('Addresses (CIDR) that may call the app, besides the test of health and Event Grid; empty: every address, with a key.')
param callerAddresses string[] = []

@description('Storage gets private endpoints only, and the app a virtual network to reach it through.')
param privateNetworking bool = false

@description('The app is reached through a private endpoint only. Needs privateNetworking, and a deployment from inside the network.')
param privateApp bool = false

@description('Address space of that network; not used with appSubnetId.')
param addressPrefix string = '10.70.0.0/24'

@description('A subnet for the instances that is there already: empty, delegated to Microsoft.App/environments. No network is then made.')
param appSubnetId string = ''

@description('A subnet that is there already, for private endpoints. Needed with appSubnetId, and may be in another network.')
param endpointsSubnetId string = ''

@description('Private DNS zones that are there already, each linked to the networks by its owner; this deployment makes those left empty.')
param privateDnsZones zonesType = {
  blob: ''
  queue: ''
  table: ''
  sites: ''
}

@description('A policy of the platform\'s gives private endpoints their names: no zone is made, and no endpoint is entered into one.')
param privateDnsByPolicy bool = false

@description('With privateNetworking: public addresses or ranges from which uploads may be put into the app\'s storage all the same.')
param uploadAddresses string[] = []

@description('With privateNetworking: subnets with a service endpoint for storage, from which uploads may be put all the same.')
param uploadSubnetIds string[] = []

@description('Who gets an e-mail when an alert fires; empty: alerts show in the portal only.')
param alertEmails string[] = []

@description('An operation that is open for longer fires an alert. Jobs are open as long as they run.')
@minValue(1)
param oldestOperationHours int = 48

@description('How long logs are kept, in days.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Gigabytes of logs a day; beyond them nothing is logged until the next day, and alerts on logs are blind. -1: no cap.')
@minValue(-1)
param logDailyCapGB int = 5

@description('Resource logs that are kept, by category, e.g. StorageDelete of blobs. Each line costs: reads and writes of tables are many.')
param resourceLogs logsType = {
  app: []
  blobs: []
  queues: []
  tables: []
  vault: []
}

@description('Calls /api/health from three places every 15 minutes, and alerts when two of them get no answer. Not with privateApp.')
param healthTest bool = false

@description('Mail to alertEmails (none: no budget) at 80 % of the month\'s budget of the app\'s group, and when the forecast passes it.')
param budget budgetType = {
  amount: 0
  start: ''
}

@description('Replication of the storage account.')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
  'Standard_GRS'
  'Standard_RAGRS'
  'Standard_GZRS'
  'Standard_RAGZRS'
])
param storageSku string = 'Standard_LRS'

var suffix = uniqueString(subscription().id, environmentName, location)
var tags = {
  'azd-env-name': environmentName
  app: 'azureml-steward'
}
var appName = 'func-steward-${suffix}'
var storageName = 'steward${suffix}'
// Closed to the outside only where there is a way in from the inside.
var appIsPrivate = privateNetworking && privateApp
// A network that is there already brings its own way out; its subnets' ids begin with its own. Half of it is refused here, not in the
// middle of the deployment.
var oneSubnet = empty(appSubnetId) != empty(endpointsSubnetId)
var ownNetwork = privateNetworking && (oneSubnet ? fail('Give both appSubnetId and endpointsSubnetId, or neither.') : empty(appSubnetId))
var appSubnet = privateNetworking ? (ownNetwork ? network!.outputs.appSubnetId : appSubnetId) : ''
var endpointsSubnet = privateNetworking ? (ownNetwork ? network!.outputs.endpointsSubnetId : endpointsSubnetId) : ''
var endpointsNetwork = privateNetworking ? (ownNetwork ? network!.outputs.networkId : split(endpointsSubnetId, '/subnets/')[0]) : ''
// The first is the home: this deployment's own.
var everySubscription = concat(
  [
    {
      id: subscription().subscriptionId
      resourceGroups: targetResourceGroups
      wholeSubscription: wholeSubscription
    }
  ],
  otherSubscriptions
)
var defaultGroup = empty(targetResourceGroups) ? '' : targetResourceGroups[0]

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: resourceGroupName
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  name: 'steward-identity'
  scope: group
  params: {
    location: location
    suffix: suffix
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'steward-monitoring'
  scope: group
  params: {
    location: location
    suffix: suffix
    tags: tags
    retentionDays: logRetentionDays
    dailyCapGB: logDailyCapGB
    principalId: identity.outputs.principalId
  }
}

module network 'modules/network.bicep' = if (ownNetwork) {
  name: 'steward-network'
  scope: group
  params: {
    location: location
    suffix: suffix
    tags: tags
    addressPrefix: int(last(split(addressPrefix, '/'))) <= 25 ? addressPrefix : fail('addressPrefix is too small: give a /25 or larger.')
  }
}

module storage 'modules/storage.bicep' = {
  name: 'steward-storage'
  scope: group
  params: {
    location: location
    name: storageName
    tags: tags
    sku: storageSku
    principalId: identity.outputs.principalId
    privateNetworking: privateNetworking
    uploadAddresses: privateNetworking ? uploadAddresses : []
    uploadSubnetIds: privateNetworking ? uploadSubnetIds : []
  }
}

module endpoints 'modules/private-endpoints.bicep' = if (privateNetworking) {
  name: 'steward-endpoints'
  scope: group
  params: {
    location: location
    suffix: suffix
    tags: tags
    storageAccountName: storage.outputs.name
    networkId: endpointsNetwork
    subnetId: endpointsSubnet
    zoneIds: privateDnsZones
    dnsByPolicy: privateDnsByPolicy
  }
}

module app 'modules/function-app.bicep' = {
  name: 'steward-app'
  scope: group
  params: {
    location: location
    name: appName
    suffix: suffix
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    storageAccountName: storage.outputs.name
    deploymentContainer: storage.outputs.deploymentContainer
    insightsConnectionString: monitoring.outputs.connectionString
    subscriptionIds: [for each in everySubscription: each.id]
    defaultResourceGroup: defaultGroup
    stewardSettings: stewardSettings
    webhookSecretUri: empty(keyVaultName) ? '' : 'https://${keyVaultName}${environment().suffixes.keyvaultDns}/secrets/${webhookSecretName}'
    alwaysReady: alwaysReady
    maximumInstances: maximumInstances
    instanceMemoryMB: instanceMemoryMB
    httpConcurrency: httpConcurrency
    zoneRedundant: zoneRedundant
    siteUpdateStrategy: siteUpdateStrategy
    subnetId: appSubnet
    publicAccess: !appIsPrivate
    callerAddresses: callerAddresses
    authClientId: authClientId
    authAllowedApplications: authAllowedApplications
  }
  // A reference to a secret that may not be read yet is tried again only a day later.
  dependsOn: [
    endpoints
    vaultReader
  ]
}

module appEndpoint 'modules/private-app.bicep' = if (appIsPrivate) {
  name: 'steward-private-app'
  scope: group
  params: {
    location: location
    suffix: suffix
    tags: tags
    appName: app.outputs.name
    networkId: endpointsNetwork
    subnetId: endpointsSubnet
    zoneId: privateDnsZones.sites
    dnsByPolicy: privateDnsByPolicy
  }
}

module vaultReader 'modules/vault-reader.bicep' = if (!empty(keyVaultName)) {
  name: 'steward-vault-reader-${suffix}'
  scope: resourceGroup(keyVaultResourceGroup)
  params: {
    vaultName: keyVaultName
    secretName: webhookSecretName
    principalId: identity.outputs.principalId
    suffix: suffix
    workspaceId: monitoring.outputs.workspaceId
    logCategories: resourceLogs.vault
  }
}

// Names of deployments outside the app's own group hold the suffix: two environments of one subscription must not share one, least of
// all in two regions, where Resource Manager refuses it.
module subscriptions 'modules/subscription.bicep' = [
  for each in everySubscription: {
    name: 'steward-subscription-${uniqueString(each.id)}-${suffix}'
    scope: subscription(each.id)
    params: {
      environmentName: environmentName
      principalId: identity.outputs.principalId
      suffix: suffix
      targetResourceGroups: each.resourceGroups
      wholeSubscription: each.wholeSubscription
      mayProvision: mayProvision
      mayRegisterProviders: mayRegisterProviders
      mayUpdateQuotas: mayUpdateQuotas
      mayWriteBlobs: mayWriteBlobs
    }
  }
]

module topics 'modules/event-topic.bicep' = [
  for workspace in eventWorkspaces: {
    name: 'steward-events-${uniqueString(workspace.resourceGroup, workspace.name)}'
    scope: group
    params: {
      name: 'evgt-${take(replace(workspace.name, '_', '-'), 16)}-${uniqueString(workspace.resourceGroup, workspace.name, suffix)}'
      location: workspace.location
      suffix: suffix
      tags: tags
      workspaceId: resourceId(
        subscription().subscriptionId,
        workspace.resourceGroup,
        'Microsoft.MachineLearningServices/workspaces',
        workspace.name
      )
      storageAccountId: storage.outputs.id
      queueName: storage.outputs.eventQueue
      deadLetterContainer: storage.outputs.deadLetterContainer
    }
  }
]

module groupEvents 'modules/group-events.bicep' = if (!privateNetworking && !empty(eventResourceGroups)) {
  name: 'steward-group-events'
  scope: group
  params: {
    location: location
    suffix: suffix
    tags: tags
    groupNames: eventResourceGroups
    storageAccountId: storage.outputs.id
    queueName: storage.outputs.eventQueue
    deadLetterContainer: storage.outputs.deadLetterContainer
  }
}

// In the topics' own subscription each; the roles to deliver are given here, on the app's account.
module otherEvents 'modules/other-events.bicep' = [
  for each in otherSubscriptions: {
    name: 'steward-events-${uniqueString(each.id)}-${suffix}'
    scope: subscription(each.id)
    params: {
      location: location
      suffix: suffix
      tags: tags
      groupNames: privateNetworking ? [] : each.eventResourceGroups
      workspaces: each.eventWorkspaces
      storageAccountId: storage.outputs.id
      queueName: storage.outputs.eventQueue
      deadLetterContainer: storage.outputs.deadLetterContainer
      peopleIds: alerts.outputs.peopleIds
    }
  }
]

module queries 'modules/queries.bicep' = {
  name: 'steward-queries'
  scope: group
  params: {
    location: location
    suffix: suffix
    tags: tags
  }
}

module alerts 'modules/alerts.bicep' = {
  name: 'steward-alerts'
  scope: group
  params: {
    location: location
    suffix: suffix
    tags: tags
    insightsId: monitoring.outputs.insightsId
    emails: alertEmails
    oldestOperationHours: oldestOperationHours
  }
}

module watch 'modules/watch.bicep' = {
  name: 'steward-watch'
  scope: group
  params: {
    location: location
    suffix: suffix
    tags: tags
    insightsId: monitoring.outputs.insightsId
    workspaceId: monitoring.outputs.workspaceId
    peopleIds: alerts.outputs.peopleIds
    healthUrl: healthTest && !appIsPrivate ? '${app.outputs.url}/health' : ''
    gatewayId: ownNetwork ? network!.outputs.gatewayId : ''
    workspaceTopicIds: [for (workspace, index) in eventWorkspaces: topics[index].outputs.topicId]
    groupTopicIds: !privateNetworking && !empty(eventResourceGroups) ? groupEvents!.outputs.topicIds : []
  }
}

module logs 'modules/logs.bicep' = {
  name: 'steward-logs'
  scope: group
  params: {
    workspaceId: monitoring.outputs.workspaceId
    appName: app.outputs.name
    storageAccountName: storage.outputs.name
    logs: resourceLogs
  }
}

// Azure refuses a budget without an address to write to.
module spending 'modules/budget.bicep' = if (budget.amount > 0 && !empty(alertEmails)) {
  name: 'steward-budget'
  scope: group
  params: {
    budget: empty(budget.start) ? fail('budget.start is missing: give the first day of a month, e.g. 2027-01-01.') : budget
    suffix: suffix
    emails: alertEmails
  }
}

output AZURE_RESOURCE_GROUP string = group.name
output functionAppName string = app.outputs.name
output appUrl string = app.outputs.url
output identityPrincipalId string = identity.outputs.principalId
output outboundAddress string = ownNetwork ? network!.outputs.outboundAddress : ''
