/*
 * The descriptors of segments in this process, so that a forked child can close its copies. They stand in a
 * list of nodes that lie in the callers' structures: no allocation, no limit.
 */
#ifndef RINGBUS_DESCRIPTORS_H
#define RINGBUS_DESCRIPTORS_H

#include "ringbus_segment.h"

/* Puts `fd` into the list; the node must stay where it is until it is closed. */
void descriptor_keep(struct ringbus_descriptor *descriptor, int fd);

/* Closes it and takes it from the list; nothing when it is closed already. */
void descriptor_close(struct ringbus_descriptor *descriptor);

#endif
