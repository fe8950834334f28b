// The app's roles in one subscription: what only reads on all of it, the others on its resource groups or on all of it.
targetScope = 'subscription'

param environmentName string
param principalId string
param suffix string
param targetResourceGroups string[]
param wholeSubscription bool
param mayProvision bool
param mayRegisterProviders bool
param mayUpdateQuotas bool
param mayWriteBlobs bool

module roles 'roles.bicep' = {
  name: 'steward-roles-${suffix}'
  params: {
    environmentName: environmentName
    principalId: principalId
    mayProvision: mayProvision
    mayRegisterProviders: mayRegisterProviders
    mayUpdateQuotas: mayUpdateQuotas
    mayWriteBlobs: mayWriteBlobs
    wholeSubscription: wholeSubscription
  }
}

module groupRoles 'group-roles.bicep' = [
  for name in (wholeSubscription ? [] : targetResourceGroups): {
    name: 'steward-roles-${uniqueString(name)}-${suffix}'
    scope: resourceGroup(name)
    params: {
      principalId: principalId
      roleIds: roles.outputs.assignableIds
    }
  }
]
