/* Memory for copies: what is given back is taken again, within bounds, by any number of threads. */
#include "ringbus_blocks.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "expect.h"

#define MIB ((size_t)1024 * 1024)

static void test_what_is_given_is_taken_again(void) {
  struct ringbus_block first = ringbus_block_take(MIB);
  EXPECT(first.memory != NULL && first.bytes >= MIB);
  memset(first.memory, 1, first.bytes);
  ringbus_block_give(first);
  struct ringbus_block again = ringbus_block_take(MIB - 1);
  EXPECT(again.memory == first.memory && again.bytes == first.bytes);
  struct ringbus_block other = ringbus_block_take(MIB);
  EXPECT(other.memory != again.memory);
  ringbus_block_give(again);
  ringbus_block_give(other);
  /* What was given last is taken first. */
  struct ringbus_block last = ringbus_block_take(MIB);
  EXPECT(last.memory == other.memory);
  ringbus_block_give(last);
}

static void test_a_block_is_neither_too_small_nor_far_too_large(void) {
  ringbus_blocks_trim();
  struct ringbus_block block = ringbus_block_take(8 * MIB);
  ringbus_block_give(block);
  struct ringbus_block larger = ringbus_block_take(8 * MIB + 1);
  EXPECT(larger.bytes > 8 * MIB && larger.memory != block.memory);
  struct ringbus_block smaller = ringbus_block_take(4 * MIB - 1);
  EXPECT(smaller.bytes < 8 * MIB);
  struct ringbus_block half = ringbus_block_take(4 * MIB);
  EXPECT(half.memory == block.memory);
  ringbus_block_give(larger);
  ringbus_block_give(smaller);
  ringbus_block_give(half);
  EXPECT(ringbus_block_take(0).memory == NULL && ringbus_block_take(SIZE_MAX).memory == NULL);
}

static void test_no_more_is_kept_than_may_be(void) {
  enum { COUNT = 20 };
  struct ringbus_block blocks[COUNT];
  ringbus_blocks_trim();
  for (int index = 0; index < COUNT; index++) blocks[index] = ringbus_block_take(4 * MIB);
  for (int index = 0; index < COUNT; index++) ringbus_block_give(blocks[index]);
  size_t kept = RINGBUS_BLOCKS_KEPT_BYTES_MAX / (4 * MIB);
  EXPECT(kept < COUNT);
  /* The first ones were kept, and come back the last first; then there are only new ones. */
  for (size_t index = kept; index-- > 0;) EXPECT(ringbus_block_take(4 * MIB).memory == blocks[index].memory);
  for (size_t index = 0; index < kept; index++) ringbus_block_give(blocks[index]);
  ringbus_blocks_trim();
}

static void *take_and_give(void *argument) {
  unsigned char mark = *(unsigned char *)argument;
  for (int turn = 0; turn < 2000; turn++) {
    struct ringbus_block block = ringbus_block_take(64 * 1024);
    EXPECT(block.memory != NULL);
    memset(block.memory, mark, 4096);
    for (int at = 0; at < 4096; at++) EXPECT(((unsigned char *)block.memory)[at] == mark);
    ringbus_block_give(block);
    if (turn % 500 == 0) ringbus_blocks_trim();
  }
  return NULL;
}

static void test_threads_share_none(void) {
  pthread_t threads[3];
  unsigned char marks[3] = {1, 2, 3};
  for (int index = 0; index < 3; index++) pthread_create(&threads[index], NULL, take_and_give, &marks[index]);
  for (int index = 0; index < 3; index++) pthread_join(threads[index], NULL);
  ringbus_blocks_trim();
}

int main(void) {
  test_what_is_given_is_taken_again();
  test_a_block_is_neither_too_small_nor_far_too_large();
  test_no_more_is_kept_than_may_be();
  test_threads_share_none();
  return 0;
}
