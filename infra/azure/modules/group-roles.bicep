// The app's roles on one resource group of Azure ML.
param principalId string
param roleIds string[]

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in roleIds: {
    name: guid(resourceGroup().id, principalId, role)
    properties: {
      roleDefinitionId: role
      principalId: principalId
      principalType: 'ServicePrincipal'
    }
  }
]
