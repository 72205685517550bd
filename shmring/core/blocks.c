#define _GNU_SOURCE
#include "ringbus_blocks.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

/* All pages at once, where that can be said: each will be written to. */
#ifdef MAP_POPULATE
#define MAP_POPULATED MAP_POPULATE
#else
#define MAP_POPULATED 0
#endif

/* Blocks are of sizes that are multiples of this, so that payloads of nearly one size share them. */
#define STEP_BYTES ((size_t)64 * 1024)

/* As many as fit into what is kept, at the smallest size. */
#define KEPT_MAX (RINGBUS_BLOCKS_KEPT_BYTES_MAX / STEP_BYTES)

/* A block is used for what is no smaller than this part of it. */
#define USED_PART 2

/* The blocks that are kept, the latest last: what was used last is in the cache. Empty: kept_count is 0. */
static struct ringbus_block kept[KEPT_MAX];
static size_t kept_count;
static size_t kept_bytes;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct ringbus_block remove_kept(size_t index) {
  struct ringbus_block block = kept[index];
  kept_count--;
  for (size_t next = index; next < kept_count; next++) kept[next] = kept[next + 1];
  kept_bytes -= block.bytes;
  return block;
}

static struct ringbus_block take_kept(size_t bytes) {
  struct ringbus_block found = {NULL, 0};
  pthread_mutex_lock(&lock);
  for (size_t index = kept_count; index-- > 0 && found.memory == NULL;) {
    if (kept[index].bytes >= bytes && kept[index].bytes / USED_PART <= bytes) found = remove_kept(index);
  }
  pthread_mutex_unlock(&lock);
  return found;
}

struct ringbus_block ringbus_block_take(size_t bytes) {
  if (bytes == 0 || bytes > SIZE_MAX - STEP_BYTES) return (struct ringbus_block){NULL, 0};
  struct ringbus_block block = take_kept(bytes);
  if (block.memory != NULL) return block;
  block.bytes = (bytes + STEP_BYTES - 1) / STEP_BYTES * STEP_BYTES;
  block.memory = mmap(NULL, block.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATED, -1, 0);
  if (block.memory == MAP_FAILED) return (struct ringbus_block){NULL, 0};
  return block;
}

void ringbus_block_give(struct ringbus_block block) {
  pthread_mutex_lock(&lock);
  bool is_kept = kept_count < KEPT_MAX && kept_bytes + block.bytes <= RINGBUS_BLOCKS_KEPT_BYTES_MAX;
  if (is_kept) {
    kept[kept_count++] = block;
    kept_bytes += block.bytes;
  }
  pthread_mutex_unlock(&lock);
  if (!is_kept) munmap(block.memory, block.bytes);
}

void ringbus_blocks_trim(void) {
  pthread_mutex_lock(&lock);
  while (kept_count > 0) {
    struct ringbus_block block = remove_kept(kept_count - 1);
    munmap(block.memory, block.bytes);
  }
  pthread_mutex_unlock(&lock);
}
