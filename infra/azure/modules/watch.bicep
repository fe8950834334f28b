// What is watched besides the app's own log lines (alerts.bicep): whether it answers, what Azure refuses it, the way out of its network,
// how much it logs. The action group of alerts.bicep informs people.
import { tagsType } from '../types.bicep'

param location string
param suffix string
param tags tagsType
param insightsId string
param workspaceId string
param peopleIds string[]
param healthUrl string
param gatewayId string
param workspaceTopicIds string[]
param groupTopicIds string[]

// Europe, the United States and Asia: one place that cannot reach it is the place's own trouble.
var places = [
  'emea-nl-ams-azr'
  'us-va-ash-azr'
  'apac-sg-sin-azr'
]
var queries = [
  {
    name: 'azure-refuses'
    title: 'Azure refuses the app: 401 or 403'
    severity: 2
    frequency: 'PT15M'
    window: 'PT15M'
    scope: insightsId
    query: loadTextContent('../queries/refused.kql')
  }
  {
    name: 'throttling'
    title: 'Azure throttles the app'
    severity: 3
    frequency: 'PT15M'
    window: 'PT30M'
    scope: insightsId
    query: 'traces | where message startswith \'{"what": "azure.throttled"\' | summarize refused = count() by bin(timestamp, 30m) | where refused >= 50'
  }
  {
    name: 'events-put-aside'
    title: 'An event could not be read and was put aside'
    severity: 2
    frequency: 'PT15M'
    window: 'PT15M'
    scope: insightsId
    query: 'traces | where message startswith "an event message was put aside as "'
  }
  {
    name: 'log-cap'
    title: 'The daily cap of the logs is reached: nothing is logged until tomorrow, and no other alert can fire'
    severity: 1
    frequency: 'PT1H'
    window: 'PT1H'
    scope: workspaceId
    query: '_LogOperation | where Category =~ "Ingestion" and Detail has "OverQuota"'
  }
]

resource rules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for alert in queries: {
    name: 'steward-${alert.name}-${suffix}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'azureml-steward: ${alert.title}'
      severity: alert.severity
      enabled: true
      evaluationFrequency: alert.frequency
      windowSize: alert.window
      scopes: [
        alert.scope
      ]
      criteria: {
        allOf: [
          {
            query: alert.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            failingPeriods: {
              numberOfEvaluationPeriods: 1
              minFailingPeriodsToAlert: 1
            }
          }
        ]
      }
      autoMitigate: true
      // Checked at its making, a query can fail because the logs are a minute old and have no tables yet.
      skipQueryValidation: true
      actions: {
        actionGroups: peopleIds
      }
    }
  }
]

module deadLetters 'dead-letters.bicep' = {
  name: 'steward-dead-letters-${suffix}'
  params: {
    suffix: suffix
    tags: tags
    topicIds: concat(workspaceTopicIds, groupTopicIds)
    peopleIds: peopleIds
  }
}

// The NAT gateway writes no logs, and its metrics cannot be sent to a workspace.
resource wayOut 'Microsoft.Insights/metricAlerts@2018-03-01' = if (!empty(gatewayId)) {
  name: 'steward-way-out-${suffix}'
  location: 'global'
  tags: tags
  properties: {
    description: 'The NAT gateway does not pass everything on: the app reaches Azure badly or not at all'
    severity: 1
    enabled: true
    scopes: [
      gatewayId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'way-out'
          criterionType: 'StaticThresholdCriterion'
          metricName: 'DatapathAvailability'
          timeAggregation: 'Average'
          operator: 'LessThan'
          threshold: 90
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

// Every quarter of an hour from each place: each call wakes an app that keeps no instance warm.
resource test 'Microsoft.Insights/webtests@2022-06-15' = if (!empty(healthUrl)) {
  name: 'steward-health-${suffix}'
  location: location
  tags: union(tags, { 'hidden-link:${insightsId}': 'Resource' })
  kind: 'standard'
  properties: {
    SyntheticMonitorId: 'steward-health-${suffix}'
    Name: 'azureml-steward: health'
    Enabled: true
    Frequency: 900
    Timeout: 120
    Kind: 'standard'
    RetryEnabled: true
    Locations: [
      for place in places: {
        Id: place
      }
    ]
    Request: {
      RequestUrl: healthUrl
      HttpVerb: 'GET'
      ParseDependentRequests: false
    }
    ValidationRules: {
      ExpectedHttpStatusCode: 200
      SSLCheck: true
      SSLCertRemainingLifetimeCheck: 7
    }
  }
}

resource health 'Microsoft.Insights/metricAlerts@2018-03-01' = if (!empty(healthUrl)) {
  name: 'steward-health-${suffix}'
  location: 'global'
  tags: tags
  properties: {
    description: 'The app answers ${healthUrl} from at most one of three places'
    severity: 1
    enabled: true
    scopes: [
      test.id
      insightsId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT30M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: test.id
      componentId: insightsId
      failedLocationCount: 2
    }
    autoMitigate: true
    actions: [
      for group in peopleIds: {
        actionGroupId: group
      }
    ]
  }
}
