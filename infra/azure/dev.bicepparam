// For trying it: nothing is kept warm, small instances, one resource group, operations are kept for a week.
using './main.bicep'

param environmentName = 'dev'
param location = 'westeurope'
param targetResourceGroups = [
  'rg-ml-dev'
]
param instanceMemoryMB = 512
param httpConcurrency = 8
param stewardSettings = {
  STEWARD_RETENTION_DAYS: '7'
}
