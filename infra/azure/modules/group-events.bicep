// What Resource Manager did to Azure ML's resources in some resource groups, into the app's queue. Resource groups are no region's,
// and a topic of theirs has no identity of its own: it is lent one, which may do nothing else. Storage behind a firewall refuses it.
// What cannot be delivered is kept.
import { tagsType } from '../types.bicep'

param location string
param suffix string
param tags tagsType
param groupNames string[]
param storageAccountName string
param queueName string
param deadLetterContainer string

var queueMessageSender = 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-steward-events-${suffix}'
  location: location
  tags: tags
}

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageAccountName
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' existing = {
  parent: account
  name: 'default'
}

resource queue 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' existing = {
  parent: queueService
  name: queueName
}

resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' existing = {
  parent: account
  name: 'default'
}

resource deadLetters 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = {
  parent: blobService
  name: deadLetterContainer
}

resource sender 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(queue.id, identity.id, queueMessageSender)
  scope: queue
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueMessageSender)
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource keeper 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(deadLetters.id, identity.id, blobDataContributor)
  scope: deadLetters
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource topics 'Microsoft.EventGrid/systemTopics@2025-02-15' = [
  for group in groupNames: {
    name: 'evgt-${uniqueString(group)}-${suffix}'
    location: 'global'
    tags: tags
    identity: {
      type: 'UserAssigned'
      userAssignedIdentities: {
        '${identity.id}': {}
      }
    }
    properties: {
      source: subscriptionResourceId('Microsoft.Resources/resourceGroups', group)
      topicType: 'Microsoft.Resources.ResourceGroups'
    }
  }
]

resource deliveries 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = [
  for (group, index) in groupNames: {
    parent: topics[index]
    name: 'azureml-steward'
    properties: {
      eventDeliverySchema: 'CloudEventSchemaV1_0'
      deliveryWithResourceIdentity: {
        identity: {
          type: 'UserAssigned'
          userAssignedIdentity: identity.id
        }
        destination: {
          endpointType: 'StorageQueue'
          properties: {
            resourceId: account.id
            queueName: queueName
            queueMessageTimeToLiveInSeconds: -1
          }
        }
      }
      deadLetterWithResourceIdentity: {
        identity: {
          type: 'UserAssigned'
          userAssignedIdentity: identity.id
        }
        deadLetterDestination: {
          endpointType: 'StorageBlob'
          properties: {
            resourceId: account.id
            blobContainerName: deadLetterContainer
          }
        }
      }
      filter: {
        includedEventTypes: [
          'Microsoft.Resources.ResourceWriteSuccess'
          'Microsoft.Resources.ResourceWriteFailure'
          'Microsoft.Resources.ResourceDeleteSuccess'
          'Microsoft.Resources.ResourceDeleteFailure'
          'Microsoft.Resources.ResourceActionSuccess'
          'Microsoft.Resources.ResourceActionFailure'
        ]
        advancedFilters: [
          {
            operatorType: 'StringContains'
            key: 'subject'
            values: [
              '/providers/Microsoft.MachineLearningServices/'
            ]
          }
        ]
      }
      retryPolicy: {
        maxDeliveryAttempts: 30
        eventTimeToLiveInMinutes: 1440
      }
    }
    dependsOn: [
      sender
      keeper
    ]
  }
]

output topicIds string[] = [for (name, index) in groupNames: topics[index].id]
