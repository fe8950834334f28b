// For production: one warm instance each for HTTP and for operations, zone-redundant storage, private storage, alerts to people.
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
param alwaysReadyHttp = 1
param alwaysReadyOther = 1
param maximumInstances = 100
param instanceMemoryMB = 2048
param storageSku = 'Standard_ZRS'
param privateNetworking = true
param logRetentionDays = 90
param oldestOperationHours = 24
param alertEmails = [
  'ml-platform@contoso.com'
]
param stewardSettings = {
  STEWARD_CALLBACK_HOSTS: 'hooks.contoso.com'
  STEWARD_RETENTION_DAYS: '90'
}
