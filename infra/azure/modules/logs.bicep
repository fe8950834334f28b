// Resource logs of app and storage into the Log Analytics workspace, by the categories that are asked for. Those of the vault are in
// vault-reader.bicep, which is where the vault is. Metrics are kept by Azure itself for 93 days, without this.
import { logsType } from '../types.bicep'

param workspaceId string
param appName string
param storageAccountName string
param logs logsType

resource app 'Microsoft.Web/sites@2025-03-01' existing = {
  name: appName
}

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageAccountName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' existing = {
  parent: account
  name: 'default'
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' existing = {
  parent: account
  name: 'default'
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices@2025-06-01' existing = {
  parent: account
  name: 'default'
}

resource appLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(logs.app)) {
  name: 'azureml-steward'
  scope: app
  properties: {
    workspaceId: workspaceId
    logs: [
      for category in logs.app: {
        category: category
        enabled: true
      }
    ]
  }
}

resource blobsLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(logs.blobs)) {
  name: 'azureml-steward'
  scope: blobs
  properties: {
    workspaceId: workspaceId
    logs: [
      for category in logs.blobs: {
        category: category
        enabled: true
      }
    ]
  }
}

resource queuesLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(logs.queues)) {
  name: 'azureml-steward'
  scope: queues
  properties: {
    workspaceId: workspaceId
    logs: [
      for category in logs.queues: {
        category: category
        enabled: true
      }
    ]
  }
}

resource tablesLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(logs.tables)) {
  name: 'azureml-steward'
  scope: tables
  properties: {
    workspaceId: workspaceId
    logs: [
      for category in logs.tables: {
        category: category
        enabled: true
      }
    ]
  }
}
