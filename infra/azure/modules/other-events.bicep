// The events of one more subscription into the app's queue. A topic is where its source is, so that topics, the identity that those of
// resource groups are lent, and the alerts are made there: those of a workspace in its group, those of groups in the first of them.
targetScope = 'subscription'

import { tagsType, workspaceType } from '../types.bicep'

param location string
param suffix string
param tags tagsType
param groupNames string[]
param workspaces workspaceType[]
param storageAccountId string
param queueName string
param deadLetterContainer string
param peopleIds string[]

// A scope is read even where its condition is not met.
var groupsHome = empty(groupNames) ? 'none' : groupNames[0]

module groupEvents 'group-events.bicep' = if (!empty(groupNames)) {
  name: 'steward-group-events-${suffix}'
  scope: resourceGroup(groupsHome)
  params: {
    location: location
    suffix: suffix
    tags: tags
    groupNames: groupNames
    storageAccountId: storageAccountId
    queueName: queueName
    deadLetterContainer: deadLetterContainer
  }
}

module groupAlerts 'dead-letters.bicep' = if (!empty(groupNames)) {
  name: 'steward-group-alerts-${suffix}'
  scope: resourceGroup(groupsHome)
  params: {
    suffix: suffix
    tags: tags
    topicIds: groupEvents!.outputs.topicIds
    peopleIds: peopleIds
  }
}

module topics 'event-topic.bicep' = [
  for workspace in workspaces: {
    name: 'steward-events-${uniqueString(workspace.name)}-${suffix}'
    scope: resourceGroup(workspace.resourceGroup)
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
      storageAccountId: storageAccountId
      queueName: queueName
      deadLetterContainer: deadLetterContainer
    }
  }
]

module topicAlerts 'dead-letters.bicep' = [
  for (workspace, index) in workspaces: {
    name: 'steward-alerts-${uniqueString(workspace.name)}-${suffix}'
    scope: resourceGroup(workspace.resourceGroup)
    params: {
      suffix: suffix
      tags: tags
      topicIds: [
        topics[index].outputs.topicId
      ]
      peopleIds: peopleIds
    }
  }
]
