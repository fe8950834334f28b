// The Functions app on Flex Consumption: Python 3.13, one user-assigned identity for storage, package, logs, secrets and Azure.
import { readyType, settingsType, tagsType } from '../types.bicep'

param location string
param name string
param suffix string
param tags tagsType
param identityId string
param identityClientId string
param storageAccountName string
param deploymentContainer string
param insightsConnectionString string
param subscriptionIds string[]
param defaultResourceGroup string
param stewardSettings settingsType
param webhookSecretUri string
param alwaysReady readyType[]
param maximumInstances int
param instanceMemoryMB int
param httpConcurrency int
param zoneRedundant bool
param siteUpdateStrategy string
param subnetId string
param publicAccess bool
param callerAddresses string[]
param authClientId string
param authAllowedApplications string[]

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageAccountName
}

// Empty: every address may connect, and keys and tokens decide. Else also Azure's own senders: the test of /api/health, Event Grid's webhooks.
var callers = [
  for address in callerAddresses: {
    name: 'caller'
    action: 'Allow'
    priority: 100
    ipAddress: address
    tag: 'Default'
  }
]
var senders = [
  for service in (empty(callerAddresses) ? [] : ['ApplicationInsightsAvailability', 'AzureEventGrid']): {
    name: service
    action: 'Allow'
    priority: 200
    ipAddress: service
    tag: 'ServiceTag'
  }
]

// Every name is read by the app or by the platform; docs/settings.md and docs/deploy.md explain them, and a test compares.
var settings = {
  AzureWebJobsStorage__blobServiceUri: account.properties.primaryEndpoints.blob
  AzureWebJobsStorage__queueServiceUri: account.properties.primaryEndpoints.queue
  AzureWebJobsStorage__tableServiceUri: account.properties.primaryEndpoints.table
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
  AZURE_CLIENT_ID: identityClientId
  PYTHON_THREADPOOL_THREAD_COUNT: '32'
  STEWARD_SUBSCRIPTION_ID: subscriptionIds[0]
  STEWARD_SUBSCRIPTIONS: join(subscriptionIds, ',')
  STEWARD_RESOURCE_GROUP: defaultResourceGroup
  STEWARD_CLOUD: environment().name
}
var secrets = empty(webhookSecretUri) ? {} : {
  STEWARD_WEBHOOK_SECRETS: '@Microsoft.KeyVault(SecretUri=${webhookSecretUri})'
}
// The caller's STEWARD_… come first: what is computed here cannot be set to something else by mistake.
var allSettings = union(stewardSettings, settings, secrets)

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: 'plan-steward-${suffix}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
    zoneRedundant: zoneRedundant
  }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': 'steward' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: {
      minTlsVersion: '1.2'
      ipSecurityRestrictionsDefaultAction: empty(callerAddresses) ? 'Allow' : 'Deny'
      ipSecurityRestrictions: concat(callers, senders)
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${account.properties.primaryEndpoints.blob}${deploymentContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
      // In no published type yet: https://learn.microsoft.com/azure/azure-functions/flex-consumption-site-updates
      #disable-next-line BCP037
      siteUpdateStrategy: {
        type: siteUpdateStrategy
      }
      scaleAndConcurrency: {
        maximumInstanceCount: maximumInstances
        instanceMemoryMB: instanceMemoryMB
        alwaysReady: alwaysReady
        triggers: {
          http: {
            perInstanceConcurrency: httpConcurrency
          }
        }
      }
    }
  }
}

resource appSettings 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: app
  name: 'appsettings'
  properties: allSettings
}

// No password publishes: deployments come with a token. One after the other, as all that configures the site: it takes one
// change at a time.
resource ftp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
  dependsOn: [
    appSettings
  ]
}

resource scm 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
  dependsOn: [
    ftp
  ]
}

resource authentication 'Microsoft.Web/sites/config@2025-03-01' = if (!empty(authClientId)) {
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: {
      enabled: true
    }
    globalValidation: {
      requireAuthentication: true
      unauthenticatedClientAction: 'Return401'
      // What shows no data: up or down, and pages whose data comes by other requests. And where events come in: webhooks carry
      // a function key, Event Grid the system key. A path means itself; /* all below it:
      // https://github.com/MicrosoftDocs/azure-docs/issues/86514
      excludedPaths: [
        '/api/health'
        '/api/openapi.json'
        '/api/docs'
        '/api/docs/*'
        '/api/dashboard'
        '/api/dashboard/*'
        '/api/events'
        // In both spellings: whether case counts here is not documented, https://github.com/MicrosoftDocs/azure-docs/issues/72954
        '/runtime/webhooks/EventGrid'
        '/runtime/webhooks/eventgrid'
      ]
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: authClientId
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
        }
        validation: {
          allowedAudiences: [
            authClientId
            'api://${authClientId}'
          ]
          defaultAuthorizationPolicy: empty(authAllowedApplications) ? {} : {
            // The application itself, too: the browser's own sign-in for docs and dashboard is by it.
            allowedApplications: concat([authClientId], authAllowedApplications)
          }
        }
      }
    }
    login: {
      tokenStore: {
        enabled: false
      }
    }
  }
  dependsOn: [
    scm
  ]
}

output id string = app.id
output name string = app.name
output url string = 'https://${app.properties.defaultHostName}/api'
