// The app's own private endpoint, and the names (app and deployment site) that lead to it; see private-endpoints.bicep for the zones.
import { tagsType } from '../types.bicep'

param location string
param suffix string
param tags tagsType
param appName string
param networkId string
param subnetId string
param zoneId string
param dnsByPolicy bool

var domains = {
  AzureCloud: 'privatelink.azurewebsites.net'
  AzureUSGovernment: 'privatelink.azurewebsites.us'
  AzureChinaCloud: 'privatelink.chinacloudsites.cn'
}
var ownZone = empty(zoneId) && !dnsByPolicy

resource app 'Microsoft.Web/sites@2025-03-01' existing = {
  name: appName
}

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = if (ownZone) {
  name: domains[environment().name]
  location: 'global'
  tags: tags
}

resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = if (ownZone) {
  parent: zone
  name: 'steward-${suffix}'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    resolutionPolicy: 'NxDomainRedirect'
    virtualNetwork: {
      id: networkId
    }
  }
}

resource endpoint 'Microsoft.Network/privateEndpoints@2025-05-01' = {
  name: 'pe-steward-app-${suffix}'
  location: location
  tags: tags
  properties: {
    subnet: {
      id: subnetId
    }
    privateLinkServiceConnections: [
      {
        name: 'app'
        properties: {
          privateLinkServiceId: app.id
          groupIds: [
            'sites'
          ]
        }
      }
    ]
  }
}

resource names 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = if (!dnsByPolicy) {
  parent: endpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: 'app'
        properties: {
          privateDnsZoneId: ownZone ? zone.id : zoneId
        }
      }
    ]
  }
}
