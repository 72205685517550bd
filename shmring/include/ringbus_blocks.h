/*
 * Memory for copies of large payloads, kept for the next one. Fresh pages cost more than the copy itself, and
 * malloc gives what it has at its end back to the kernel each time that the collector has freed a few payloads.
 *
 * Any thread may call these, at any time. After a fork, the child has the memory and no thread that uses it.
 */
#ifndef RINGBUS_BLOCKS_H
#define RINGBUS_BLOCKS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is kept at most, of all threads together: about as much as pass before the collector frees them. */
#define RINGBUS_BLOCKS_KEPT_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct ringbus_block {
  void *memory; /* NULL: there is none to be had */
  size_t bytes; /* at least what was asked for */
};

/* Memory of undefined contents; what it held before may still be there. */
struct ringbus_block ringbus_block_take(size_t bytes);

/* Nobody uses the block any more: it is kept, or given back to the system when enough is kept already. */
void ringbus_block_give(struct ringbus_block block);

/* Gives everything that is kept back to the system. */
void ringbus_blocks_trim(void);

#ifdef __cplusplus
}
#endif

#endif
