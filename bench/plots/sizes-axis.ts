/** From 16 B to 16 MiB, sixteen times as much each. */
export const SIZE_TICKS: readonly number[] = Array.from({ length: 6 }, (_, index) => 16 ** (index + 1))
