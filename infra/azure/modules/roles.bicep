// The app's own roles: exactly the operations that it sends (roles/*.json; a test compares them with the table of kinds).
// They are defined on the subscription and given where the parameters say.
targetScope = 'subscription'

param environmentName string
param principalId string
param mayProvision bool
param mayRegisterProviders bool
param mayWriteBlobs bool
param wholeSubscription bool

var steward = loadJsonContent('../roles/steward.json')
var provisioner = loadJsonContent('../roles/provisioner.json')
var registrar = loadJsonContent('../roles/registrar.json')
var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var label = '${environmentName} ${uniqueString(subscription().id)}'

resource stewardRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(subscription().id, environmentName, 'steward')
  properties: {
    roleName: 'azureml-steward (${label})'
    description: steward.description
    type: 'CustomRole'
    permissions: steward.permissions
    assignableScopes: [
      subscription().id
    ]
  }
}

resource provisionerRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (mayProvision) {
  name: guid(subscription().id, environmentName, 'provisioner')
  properties: {
    roleName: 'azureml-steward provisioner (${label})'
    description: provisioner.description
    type: 'CustomRole'
    permissions: provisioner.permissions
    assignableScopes: [
      subscription().id
    ]
  }
}

resource registrarRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (mayRegisterProviders) {
  name: guid(subscription().id, environmentName, 'registrar')
  properties: {
    roleName: 'azureml-steward registrar (${label})'
    description: registrar.description
    type: 'CustomRole'
    permissions: registrar.permissions
    assignableScopes: [
      subscription().id
    ]
  }
}

var provisionerId = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', guid(subscription().id, environmentName, 'provisioner'))
var registrarId = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', guid(subscription().id, environmentName, 'registrar'))
var blobWriterId = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
var assignable = concat([stewardRole.id], mayProvision ? [provisionerId] : [], mayWriteBlobs ? [blobWriterId] : [])

resource stewardAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (wholeSubscription) {
  name: guid(subscription().id, principalId, 'steward')
  properties: {
    roleDefinitionId: stewardRole.id
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource provisionerAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (wholeSubscription && mayProvision) {
  name: guid(subscription().id, principalId, 'provisioner')
  properties: {
    roleDefinitionId: provisionerId
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
  dependsOn: [
    provisionerRole
  ]
}

resource blobAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (wholeSubscription && mayWriteBlobs) {
  name: guid(subscription().id, principalId, 'blobs')
  properties: {
    roleDefinitionId: blobWriterId
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

// Registering a provider is an action of the subscription: nowhere else can it be given.
resource registrarAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (mayRegisterProviders) {
  name: guid(subscription().id, principalId, 'registrar')
  properties: {
    roleDefinitionId: registrarId
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
  dependsOn: [
    registrarRole
  ]
}

output assignableIds string[] = assignable
