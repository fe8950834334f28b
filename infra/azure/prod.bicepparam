// For production: one warm instance each for HTTP, operations and events, zone-redundant storage, private storage, alerts to people.
using './main.bicep'

param environmentName = 'prod'
param location = 'westeurope'
param targetResourceGroups = [
  'rg-ml-prod'
]
param eventWorkspaces = [
  {
    name: 'ml-prod'
    resourceGroup: 'rg-ml-prod'
    location: 'westeurope'
  }
]
param alwaysReady = [
  {
    name: 'http'
    instanceCount: 1
  }
  {
    name: 'function:poll_operation'
    instanceCount: 1
  }
  {
    name: 'function:hooks_queue'
    instanceCount: 1
  }
]
param maximumInstances = 100
param instanceMemoryMB = 2048
param storageSku = 'Standard_ZRS'
param privateNetworking = true
param logRetentionDays = 90
param logDailyCapGB = 10
param resourceLogs = {
  app: []
  blobs: [
    'StorageDelete'
  ]
  queues: []
  tables: []
  vault: []
}
param healthTest = true
param budget = {
  amount: 500
  start: '2026-12-01'
}
param oldestOperationHours = 24
param alertEmails = [
  'ml-platform@contoso.com'
]
param stewardSettings = {
  STEWARD_CALLBACK_HOSTS: 'hooks.contoso.com'
  STEWARD_RETENTION_DAYS: '90'
}
