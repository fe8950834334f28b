// The app's own account: its queues, tables and blobs, and the package it is started from. No key opens it, only roles.
// The names are those of shared/services.py and shared/durable/messages.py; a test compares them.
import { tagsType } from '../types.bicep'

param location string
param name string
param tags tagsType
param sku string
param principalId string
param privateNetworking bool
param uploadAddresses string[]
param uploadSubnetIds string[]

// A poison queue is made with its queue: the platform would make it at the first failure, after its function began to look for it.
var queues = [
  'steward-operations'
  'steward-operations-poison'
  'steward-notifications'
  'steward-notifications-poison'
  'steward-events'
  'steward-events-poison'
  'steward-cleanup'
  'steward-cleanup-poison'
]
var tables = [
  'stewardoperations'
  'stewardopen'
  'stewardcleanup'
  'stewardhooks'
  'stewarddeliveries'
  'stewardaccess'
  'stewarddue'
  'stewardcosts'
]
var eventQueue = 'steward-events'
var container = 'azureml-steward'
var deploymentContainer = 'app-package'
var deadLetterContainer = 'steward-dead-letters'
var containerNames = [
  container
  deploymentContainer
  deadLetterContainer
]

// What the Functions host itself asks for (AzureWebJobsStorage by identity), which covers what the app does there.
var appRoles = [
  'b7e6dc6d-f1e8-4753-8033-0f276bb0955b' // Storage Blob Data Owner: leases of timers, keys, the package, signing by the identity
  '974c5e8b-45b9-4653-ba55-5f855dd0fb88' // Storage Queue Data Contributor
  '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3' // Storage Table Data Contributor
]

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: sku
  }
  properties: {
    accessTier: 'Hot'
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // Not 'Disabled' with private networking: Event Grid delivers as a trusted service, by its identity. Besides it only those come in
    // who may put uploads, and they, too, need a signed URL or a role.
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: privateNetworking ? 'Deny' : 'Allow'
      ipRules: [
        for address in uploadAddresses: {
          value: address
          action: 'Allow'
        }
      ]
      virtualNetworkRules: [
        for id in uploadSubnetIds: {
          id: id
          action: 'Allow'
        }
      ]
    }
  }
}

resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    // Also of what was overwritten: a policy or rule can be put back for a week.
    deleteRetentionPolicy: {
      enabled: true
      days: 7
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: 7
    }
  }
}

resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = [
  for each in containerNames: {
    parent: blobService
    name: each
  }
]

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource queueRows 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = [
  for each in queues: {
    parent: queueService
    name: each
  }
]

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource tableRows 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-06-01' = [
  for each in tables: {
    parent: tableService
    name: each
  }
]

// The app tidies up after itself every night; this is for what it cannot: an app that was switched off, and dead letters.
// Policies, rules and records of parked endpoints have no rule: they are kept.
resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'uploads'
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: {
              blobTypes: [
                'blockBlob'
              ]
              prefixMatch: [
                '${container}/uploads/'
              ]
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterModificationGreaterThan: 30
                }
              }
            }
          }
        }
        {
          name: 'dead-letters'
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: {
              blobTypes: [
                'blockBlob'
              ]
              prefixMatch: [
                '${deadLetterContainer}/'
              ]
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterModificationGreaterThan: 30
                }
              }
            }
          }
        }
      ]
    }
  }
  dependsOn: [
    blobService
  ]
}

resource appAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in appRoles: {
    name: guid(account.id, principalId, role)
    scope: account
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
      principalId: principalId
      principalType: 'ServicePrincipal'
    }
  }
]

output id string = account.id
output name string = account.name
output eventQueue string = eventQueue
output deploymentContainer string = deploymentContainer
output deadLetterContainer string = deadLetterContainer
