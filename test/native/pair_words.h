/* The words of a pair's control page, by the places that SPEC.md gives them: what the other process can write. */
#ifndef RINGBUS_TEST_PAIR_WORDS_H
#define RINGBUS_TEST_PAIR_WORDS_H

#include <stdatomic.h>

#include "expect.h"
#include "ringbus_pair.h"

enum pair_word { HEAD, TAIL, ASLEEP, FULL };

/* Ring 0 goes from client to broker, ring 1 from broker to client. */
static inline _Atomic uint32_t *pair_word(const struct ringbus_pair *pair, int ring, enum pair_word word) {
  return (_Atomic uint32_t *)(pair->map + 1024 * (1 + ring) + 64 * word);
}

/* Lets both rings of an empty pair begin with the byte of this count. */
static inline void pair_begin_at(struct ringbus_pair *broker, struct ringbus_pair *client, uint32_t count) {
  for (int ring = 0; ring < 2; ring++) {
    EXPECT(*pair_word(broker, ring, HEAD) == *pair_word(broker, ring, TAIL));
    atomic_store(pair_word(broker, ring, HEAD), count);
    atomic_store(pair_word(broker, ring, TAIL), count);
  }
  broker->out_head = broker->in_tail = client->out_head = client->in_tail = count;
}

#endif
