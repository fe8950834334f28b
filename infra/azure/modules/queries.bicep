// The ready queries of infra/azure/queries, offered where the logs of Application Insights are looked at.
import { tagsType } from '../types.bicep'

param location string
param suffix string
param tags tagsType

var queries = [
  {
    title: 'Clean-up: what it saved'
    body: loadTextContent('../queries/cleanup-savings.kql')
  }
  {
    title: 'Deliveries that fail'
    body: loadTextContent('../queries/deliveries-failing.kql')
  }
  {
    title: 'Failures by Azure\'s code'
    body: loadTextContent('../queries/failures-by-code.kql')
  }
  {
    title: 'Firings of rules'
    body: loadTextContent('../queries/firings.kql')
  }
  {
    title: 'Oldest open operation'
    body: loadTextContent('../queries/oldest-open.kql')
  }
  {
    title: 'One trace from end to end'
    body: loadTextContent('../queries/one-trace.kql')
  }
  {
    title: 'Messages that kept failing'
    body: loadTextContent('../queries/poison.kql')
  }
  {
    title: 'Refused by Azure'
    body: loadTextContent('../queries/refused.kql')
  }
  {
    title: 'Slow operations'
    body: loadTextContent('../queries/slow-operations.kql')
  }
  {
    title: 'Throttling'
    body: loadTextContent('../queries/throttling.kql')
  }
  {
    title: 'Azure unavailable'
    body: loadTextContent('../queries/unavailable.kql')
  }
]

resource pack 'Microsoft.OperationalInsights/queryPacks@2025-07-01' = {
  name: 'queries-steward-${suffix}'
  location: location
  tags: tags
  properties: {}
}

resource packed 'Microsoft.OperationalInsights/queryPacks/queries@2025-07-01' = [
  for query in queries: {
    parent: pack
    name: guid(pack.id, query.title)
    properties: {
      displayName: 'azureml-steward: ${query.title}'
      body: query.body
      related: {
        categories: [
          'applications'
        ]
        resourceTypes: [
          'microsoft.insights/components'
        ]
      }
    }
  }
]
