/* Seeded numbers for the random schedules: RINGBUS_FUZZ_SEED repeats a run. */
#ifndef RINGBUS_TEST_RANDOM_H
#define RINGBUS_TEST_RANDOM_H

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

/* The environment's, or another one each time; the caller prints it when a test fails. */
static inline uint64_t random_seed(void) {
  const char *chosen = getenv("RINGBUS_FUZZ_SEED");
  return chosen != NULL ? strtoull(chosen, NULL, 10) : (uint64_t)time(NULL);
}

/* splitmix64 */
static inline uint64_t random_next(uint64_t *state) {
  uint64_t value = (*state += UINT64_C(0x9e3779b97f4a7c15));
  value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
  return value ^ value >> 31;
}

static inline uint32_t random_below(uint64_t *state, uint32_t bound) {
  return (uint32_t)(random_next(state) % bound);
}

#endif
