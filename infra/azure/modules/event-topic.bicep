// The events of one workspace into the app's queue, delivered with the topic's own identity, which may do nothing else;
// what cannot be delivered is kept. Storage behind a firewall takes events from a topic's own (system-assigned) identity only:
// https://learn.microsoft.com/azure/event-grid/handler-storage-queues
import { tagsType } from '../types.bicep'

param name string
param location string
param suffix string
param tags tagsType
param workspaceId string
param storageAccountId string
param queueName string
param deadLetterContainer string

var account = split(storageAccountId, '/')

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: name
  location: location
  tags: tags
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    source: workspaceId
    topicType: 'Microsoft.MachineLearningServices.Workspaces'
  }
}

module roles 'delivery-roles.bicep' = {
  name: 'steward-delivery-${uniqueString(topic.id)}-${suffix}'
  scope: resourceGroup(account[2], account[4])
  params: {
    senderId: topic.id
    principalId: topic.identity.principalId
    storageAccountName: account[8]
    queueName: queueName
    deadLetterContainer: deadLetterContainer
  }
}

resource delivery 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'azureml-steward'
  properties: {
    eventDeliverySchema: 'CloudEventSchemaV1_0'
    deliveryWithResourceIdentity: {
      identity: {
        type: 'SystemAssigned'
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
        type: 'SystemAssigned'
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
        'Microsoft.MachineLearningServices.ModelRegistered'
        'Microsoft.MachineLearningServices.ModelDeployed'
        'Microsoft.MachineLearningServices.RunCompleted'
        'Microsoft.MachineLearningServices.RunStatusChanged'
        'Microsoft.MachineLearningServices.DatasetDriftDetected'
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

output topicId string = topic.id
