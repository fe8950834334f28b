// What `azd up` uses: values come from the azd environment (`azd env set NAME value`); docs/deploy.md lists them.
using './main.bicep'

var groups = replace(readEnvironmentVariable('DEPLOY_TARGET_GROUPS', ''), ' ', '')
var emails = replace(readEnvironmentVariable('DEPLOY_ALERT_EMAILS', ''), ' ', '')

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'dev')
param location = readEnvironmentVariable('AZURE_LOCATION', 'westeurope')
param targetResourceGroups = empty(groups) ? [] : split(groups, ',')
param alertEmails = empty(emails) ? [] : split(emails, ',')
param wholeSubscription = bool(readEnvironmentVariable('DEPLOY_WHOLE_SUBSCRIPTION', 'false'))
param privateNetworking = bool(readEnvironmentVariable('DEPLOY_PRIVATE_NETWORKING', 'false'))
param authClientId = readEnvironmentVariable('DEPLOY_AUTH_CLIENT_ID', '')
