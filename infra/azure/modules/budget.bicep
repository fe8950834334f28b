// Mail when the app's resource group costs, or will cost, more in a month than was planned. It stops nothing.
import { budgetType } from '../types.bicep'

param budget budgetType
param suffix string
param emails string[]

resource month 'Microsoft.Consumption/budgets@2024-08-01' = {
  name: 'steward-${suffix}'
  properties: {
    category: 'Cost'
    amount: budget.amount
    timeGrain: 'Monthly'
    timePeriod: {
      startDate: budget.start
    }
    notifications: {
      spent: {
        enabled: true
        operator: 'GreaterThanOrEqualTo'
        threshold: 80
        thresholdType: 'Actual'
        contactEmails: emails
      }
      forecast: {
        enabled: true
        operator: 'GreaterThanOrEqualTo'
        threshold: 100
        thresholdType: 'Forecasted'
        contactEmails: emails
      }
    }
  }
}
