import { idleClientsScenario } from './idle-clients.js'
import { latencyScenarios } from './latency.js'
import { overtakingScenarios } from './overtaking.js'
import { payloadLatencyScenarios } from './payload-latency.js'
import { payloadStreamScenarios } from './payload-streams.js'
import { pipelineMemoryScenario } from './pipeline-memory.js'
import { pollingScenarios } from './polling.js'
import { ringMemoryScenario } from './ring-memory.js'
import type { Scenario } from './scenario.js'
import { stoppedSubscriberScenario } from './stopped-subscriber.js'
import { subscriptionsScenario } from './subscriptions.js'
import { throughputScenarios } from './throughput.js'

export type {
  MeasureOptions,
  Metric,
  Reference,
  Sample,
  Scenario,
} from './scenario.js'

export const SCENARIOS: readonly Scenario[] = [
  ...throughputScenarios,
  ...latencyScenarios,
  ...pollingScenarios,
  ...overtakingScenarios,
  ...payloadLatencyScenarios,
  ...payloadStreamScenarios,
  ringMemoryScenario,
  pipelineMemoryScenario,
  stoppedSubscriberScenario,
  idleClientsScenario,
  subscriptionsScenario,
]
