/* How the tests of the C core report: the first failed expectation is printed and ends the process with 1. */
#ifndef RINGBUS_TEST_EXPECT_H
#define RINGBUS_TEST_EXPECT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Printed with a failure, once a random schedule has begun. */
static uint64_t expect_seed;

#define EXPECT(condition)                                                               \
  do {                                                                                  \
    if (!(condition)) {                                                                 \
      fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #condition);          \
      if (expect_seed != 0) fprintf(stderr, "RINGBUS_FUZZ_SEED=%ju\n", (uintmax_t)expect_seed); \
      exit(1);                                                                          \
    }                                                                                   \
  } while (0)

#endif
