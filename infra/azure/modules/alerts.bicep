// What an operator should know. A poison queue is emptied by its function at once, so the alert is on the line that the function
// writes: Storage's own count of messages is of the whole account and a day old. Where an execution is counted, its log line is: on a
// cold instance `requests` may have no row for it (github.com/Azure/azure-functions-host/issues/11910), and host.json keeps traces out
// of sampling.
import { tagsType } from '../types.bicep'

param location string
param suffix string
param tags tagsType
param insightsId string
param emails string[]
param oldestOperationHours int

var alerts = [
  {
    name: 'poison'
    title: 'A message kept failing and was put aside'
    severity: 1
    frequency: 'PT5M'
    window: 'PT15M'
    query: 'traces | where message startswith \'{"what": "poison"\''
  }
  {
    name: 'oldest-operation'
    title: 'An operation is open for more than ${oldestOperationHours} hours'
    severity: 2
    frequency: 'PT1H'
    window: 'PT1H'
    query: 'traces | where message startswith "oldest open operation:" | extend hours = todouble(extract("age ([0-9]+) s", 1, message)) / 3600 | where hours > ${oldestOperationHours}'
  }
  {
    name: 'failures'
    title: 'Functions of the app failed'
    severity: 2
    frequency: 'PT15M'
    window: 'PT15M'
    query: 'union (traces | where message startswith "Executed \'Functions." and message contains "\' (Failed" | extend name = extract("Functions\\.([a-z_A-Z]+)", 1, message) | project name, operation_Id), (requests | where toint(resultCode) >= 500 | project name, operation_Id) | summarize failed = dcount(operation_Id) by name | where failed >= 5'
  }
  {
    name: 'reconcile-missing'
    title: 'The timer that puts lost operations back has not run for half an hour'
    severity: 1
    frequency: 'PT15M'
    window: 'PT30M'
    query: 'traces | where message startswith "reconcile: " | summarize runs = count() | where runs == 0'
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(emails)) {
  name: 'ag-steward-${suffix}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'steward'
    enabled: true
    emailReceivers: [
      for email in emails: {
        name: email
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource rules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for alert in alerts: {
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
        insightsId
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
      // Checked at its making, a query can fail because Application Insights is a minute old and has no tables yet.
      skipQueryValidation: true
      actions: {
        actionGroups: empty(emails) ? [] : [people.id]
      }
    }
  }
]

output peopleIds string[] = empty(emails) ? [] : [people.id]
