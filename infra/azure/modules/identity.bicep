// The app's identity: for storage, package, logs, secrets and Azure. It outlives the app, and so do its roles.
import { tagsType } from '../types.bicep'

param location string
param suffix string
param tags tagsType

resource steward 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-steward-${suffix}'
  location: location
  tags: tags
}

output id string = steward.id
output clientId string = steward.properties.clientId
output principalId string = steward.properties.principalId
