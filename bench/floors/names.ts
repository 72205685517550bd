/** What the program in this folder calls the mechanisms by which one process wakes another. */
export const MECHANISMS = [
  'futex',
  'socket',
  'socket-epoll',
  'pipe',
  'fifo',
  'sysv-queue',
  'posix-queue',
] as const

export type Mechanism = (typeof MECHANISMS)[number]

/** As they stand beside the systems: a mechanism, perhaps with the manner in which it is used. */
export const FLOOR_NAMES = [
  'floor-futex',
  'floor-futex-unpinned',
  'floor-socket',
  'floor-socket-epoll',
  'floor-socket-single',
  'floor-pipe',
  'floor-fifo',
  'floor-sysv-queue',
  'floor-posix-queue',
  'floor-memcpy',
] as const

export type FloorName = (typeof FLOOR_NAMES)[number]
