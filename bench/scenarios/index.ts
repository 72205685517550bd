import { atRestScenario } from './at-rest.js'
import { floorScenarios } from './floor-sizes.js'
import { latencyScenarios } from './latency.js'
import { overtakingScenarios } from './overtaking.js'
import { payloadLatencyScenarios } from './payload-latency.js'
import { payloadStreamScenarios } from './payload-streams.js'
import { pipelineMemoryScenario } from './pipeline-memory.js'
import { pollingScenarios } from './polling.js'
import { requestsScenario } from './requests.js'
import { ringMemoryScenario } from './ring-memory.js'
import { scaleScenario } from './scale.js'
import type { Scenario } from './scenario.js'
import { stoppedSubscriberScenario } from './stopped-subscriber.js'
import { subscriptionsScenario } from './subscriptions.js'
import { throughputScenarios } from './throughput.js'

export type {
  Floor,
  Histograms,
  MeasureOptions,
  Metric,
  RecordedSample,
  Reference,
  Sample,
  Scenario,
  SystemName,
} from './scenario.js'

export const SCENARIOS: readonly Scenario[] = [
  ...throughputScenarios,
  ...latencyScenarios,
  ...pollingScenarios,
  requestsScenario,
  ...overtakingScenarios,
  ...floorScenarios,
  ...payloadLatencyScenarios,
  ...payloadStreamScenarios,
  ringMemoryScenario,
  pipelineMemoryScenario,
  stoppedSubscriberScenario,
  atRestScenario,
  subscriptionsScenario,
  scaleScenario,
]
