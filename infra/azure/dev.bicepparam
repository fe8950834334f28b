// For trying it: nothing is kept warm, few instances, one resource group, operations are kept for a week.
using './main.bicep'

param environmentName = 'dev'
param location = 'westeurope'
param targetResourceGroups = [
  'rg-ml-dev'
]
param maximumInstances = 20
param logDailyCapGB = 1
param stewardSettings = {
  STEWARD_RETENTION_DAYS: '7'
}
