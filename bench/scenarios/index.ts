import { idleClientsScenario } from './idle-clients.js'
import { latencyScenarios } from './latency.js'
import type { Scenario } from './scenario.js'
import { subscriptionsScenario } from './subscriptions.js'
import { throughputScenarios } from './throughput.js'

export { type MeasureOptions, type Metric, type Sample, type Scenario, VoidSample } from './scenario.js'

export const SCENARIOS: readonly Scenario[] = [
  ...throughputScenarios,
  ...latencyScenarios,
  idleClientsScenario,
  subscriptionsScenario,
]
