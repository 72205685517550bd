export { PollBudget } from './budget.js'
export { BROKER_POLICY, CLIENT_POLICY, fixedPolicy, type PollPolicy } from './policy.js'
export { Poller, type PollerHost } from './poller.js'
