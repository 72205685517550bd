export {
  type Dtype,
  type EncodingName,
  type ErrorCode,
  type Headers,
  type OverflowPolicy,
  patternMatches,
  RingbusError,
  type TypedArray,
} from '../protocol/index.js'
export type { RingbusClient } from './client.js'
export { connect } from './connect.js'
export { type Check, type DiagnoseOptions, diagnose } from './diagnose.js'
export type { ClientEvents, SlowInfo } from './events.js'
export type { Message } from './inbound/message.js'
export type {
  CloseOptions,
  ConnectOptions,
  LoanOptions,
  LoanPublishOptions,
  PayloadOptions,
  PublishOptions,
  ReadStreamOptions,
  ReconnectOptions,
  RequestOptions,
  RingOptions,
  ServeOptions,
  SubscribeOptions,
  WriteStreamOptions,
} from './options.js'
export type { Loan, LoanLayout } from './rings/loan.js'
export type { Request } from './services/request.js'
export type { Service } from './services/service.js'
export type { ServiceHandler } from './services/service-member.js'
export type { MessageStream } from './streams/message-stream.js'
export type { TopicStream } from './streams/topic-stream.js'
export type { MessageHandler } from './subscriptions/handled-subscription.js'
export type { Subscription } from './subscriptions/subscription.js'
