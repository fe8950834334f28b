// The app's own roles: exactly the operations that it sends (roles/*.json; a test compares them, with their scopes, with what it sends).
// They are defined on the subscription and given where the parameters say: reader, registrar and quotas there, the others on groups.
targetScope = 'subscription'

param environmentName string
param principalId string
param mayProvision bool
param mayRegisterProviders bool
param mayUpdateQuotas bool
param mayWriteBlobs bool
param wholeSubscription bool

var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var label = '${environmentName} ${uniqueString(subscription().id)}'
var steward = {
  name: 'steward'
  title: 'azureml-steward'
  role: loadJsonContent('../roles/steward.json')
}
var provisioner = {
  name: 'provisioner'
  title: 'azureml-steward provisioner'
  role: loadJsonContent('../roles/provisioner.json')
}
var reader = {
  name: 'reader'
  title: 'azureml-steward reader'
  role: loadJsonContent('../roles/reader.json')
}
var registrar = {
  name: 'registrar'
  title: 'azureml-steward registrar'
  role: loadJsonContent('../roles/registrar.json')
}
var quotas = {
  name: 'quotas'
  title: 'azureml-steward quotas'
  role: loadJsonContent('../roles/quotas.json')
}
var managing = mayProvision ? [steward, provisioner] : [steward]
// Locks, regions and names are asked of the subscription: the reader is always given there.
var ofSubscription = concat([reader], mayRegisterProviders ? [registrar] : [], mayUpdateQuotas ? [quotas] : [])

resource definitions 'Microsoft.Authorization/roleDefinitions@2022-04-01' = [
  for each in concat(managing, ofSubscription): {
    name: guid(subscription().id, environmentName, each.name)
    properties: {
      roleName: '${each.title} (${label})'
      description: each.role.description
      type: 'CustomRole'
      permissions: each.role.permissions
      assignableScopes: [
        subscription().id
      ]
    }
  }
]

var stewardId = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', guid(subscription().id, environmentName, 'steward'))
var provisionerId = subscriptionResourceId(
  'Microsoft.Authorization/roleDefinitions',
  guid(subscription().id, environmentName, 'provisioner')
)
var blobWriterId = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
var assignable = concat([stewardId], mayProvision ? [provisionerId] : [], mayWriteBlobs ? [blobWriterId] : [])

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for each in (wholeSubscription ? concat(managing, ofSubscription) : ofSubscription): {
    name: guid(subscription().id, principalId, each.name)
    properties: {
      roleDefinitionId: subscriptionResourceId(
        'Microsoft.Authorization/roleDefinitions',
        guid(subscription().id, environmentName, each.name)
      )
      principalId: principalId
      principalType: 'ServicePrincipal'
    }
    dependsOn: [
      definitions
    ]
  }
]

resource blobAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (wholeSubscription && mayWriteBlobs) {
  name: guid(subscription().id, principalId, 'blobs')
  properties: {
    roleDefinitionId: blobWriterId
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

output assignableIds string[] = assignable
