// The app's own private endpoint, and the names (app and deployment site) that lead to it.
param location string
param suffix string
param tags object
param appName string
param networkId string
param subnetId string

resource app 'Microsoft.Web/sites@2024-04-01' existing = {
  name: appName
}

resource zone 'Microsoft.Network/privateDnsZones@2020-06-01' = {
  name: environment().name == 'AzureUSGovernment' ? 'privatelink.azurewebsites.us' : (environment().name == 'AzureChinaCloud' ? 'privatelink.chinacloudsites.cn' : 'privatelink.azurewebsites.net')
  location: 'global'
  tags: tags
}

resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2020-06-01' = {
  parent: zone
  name: 'steward-${suffix}'
  location: 'global'
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: networkId
    }
  }
}

resource endpoint 'Microsoft.Network/privateEndpoints@2024-05-01' = {
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

resource names 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = {
  parent: endpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: 'app'
        properties: {
          privateDnsZoneId: zone.id
        }
      }
    ]
  }
}
