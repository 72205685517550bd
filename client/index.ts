export {
  type Dtype,
  type EncodingName,
  type ErrorCode,
  type Headers,
  patternMatches,
