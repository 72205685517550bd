export { type Compiled, type CompileOptions, compileFloors } from './compile.js'
export { FLOOR_NAMES, type FloorName, MECHANISMS, type Mechanism } from './names.js'
export {
  FloorProgram,
  ImpossibleHere,
  type LatencyOrder,
  type ThroughputOrder,
  type Transfer,
  type ValueCounts,
} from './program.js'
