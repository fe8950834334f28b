// An alert for each topic whose events could not be delivered, in the subscription of the topics. The action group of alerts.bicep
// informs people.
import { tagsType } from '../types.bicep'

param suffix string
param tags tagsType
param topicIds string[]
param peopleIds string[]

resource deadLetters 'Microsoft.Insights/metricAlerts@2018-03-01' = [
  for id in topicIds: {
    name: 'steward-dead-letters-${uniqueString(id)}-${suffix}'
    location: 'global'
    tags: tags
    properties: {
      description: 'Event Grid could not deliver an event for a day: it lies in the container steward-dead-letters'
      severity: 2
      enabled: true
      scopes: [
        id
      ]
      evaluationFrequency: 'PT15M'
      windowSize: 'PT15M'
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            name: 'dead-letters'
            criterionType: 'StaticThresholdCriterion'
            metricName: 'DeadLetteredCount'
            timeAggregation: 'Total'
            operator: 'GreaterThan'
            threshold: 0
          }
        ]
      }
      autoMitigate: true
      actions: [
        for group in peopleIds: {
          actionGroupId: group
        }
      ]
    }
  }
]
