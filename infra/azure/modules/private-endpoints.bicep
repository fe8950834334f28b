// Private endpoints of the app's storage account, one for each service that the app uses, and the names that lead to them.
// Each name stands in a zone of this deployment, in one that is there already (then its owner links it to networks), or in none: then
// a policy of the platform's adds it.
import { tagsType, zonesType } from '../types.bicep'

param location string
param suffix string
param tags tagsType
param storageAccountName string
param networkId string
param subnetId string
param zoneIds zonesType
param dnsByPolicy bool

var services = [
  {
    name: 'blob'
    zoneId: zoneIds.blob
  }
  {
    name: 'queue'
    zoneId: zoneIds.queue
  }
  {
    name: 'table'
    zoneId: zoneIds.table
  }
]

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageAccountName
}

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for service in services: if (empty(service.zoneId) && !dnsByPolicy) {
    name: 'privatelink.${service.name}.${environment().suffixes.storage}'
    location: 'global'
    tags: tags
  }
]

// Such a zone answers for every account that has a private endpoint anywhere. What it does not know is asked of the public DNS instead
// of being said not to exist: https://learn.microsoft.com/azure/dns/private-dns-fallback
resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (service, index) in services: if (empty(service.zoneId) && !dnsByPolicy) {
    parent: zones[index]
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
]

resource endpoints 'Microsoft.Network/privateEndpoints@2025-05-01' = [
  for service in services: {
    name: 'pe-steward-${service.name}-${suffix}'
    location: location
    tags: tags
    properties: {
      subnet: {
        id: subnetId
      }
      privateLinkServiceConnections: [
        {
          name: service.name
          properties: {
            privateLinkServiceId: account.id
            groupIds: [
              service.name
            ]
          }
        }
      ]
    }
  }
]

resource names 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = [
  for (service, index) in services: if (!dnsByPolicy) {
    parent: endpoints[index]
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        {
          name: service.name
          properties: {
            privateDnsZoneId: empty(service.zoneId) ? zones[index].id : service.zoneId
          }
        }
      ]
    }
  }
]
