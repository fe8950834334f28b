// What Resource Manager did to Azure ML's resources in some resource groups, into the app's queue. Resource groups are no region's,
// and a topic of theirs has no identity of its own: it is lent one, which may do nothing else. Storage behind a firewall refuses it.
// What cannot be delivered is kept.
import { tagsType } from '../types.bicep'

param location string
param suffix string
param tags tagsType
param groupNames string[]
param storageAccountId string
param queueName string
param deadLetterContainer string

var account = split(storageAccountId, '/')

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-steward-events-${suffix}'
  location: location
  tags: tags
}

module roles 'delivery-roles.bicep' = {
  name: 'steward-delivery-${uniqueString(identity.id)}-${suffix}'
  scope: resourceGroup(account[2], account[4])
  params: {
    senderId: identity.id
    principalId: identity.properties.principalId
    storageAccountName: account[8]
    queueName: queueName
    deadLetterContainer: deadLetterContainer
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
            resourceId: storageAccountId
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
            resourceId: storageAccountId
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
      roles
    ]
  }
]

output topicIds string[] = [for (name, index) in groupNames: topics[index].id]
