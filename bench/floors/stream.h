/* Bytes through a descriptor that blocks. */
#ifndef FLOORS_STREAM_H
#define FLOORS_STREAM_H

#include "mechanism.h"

void write_all(struct channel *channel, const unsigned char *bytes, size_t length);

/* Exactly so many bytes. */
void read_all(struct channel *channel, unsigned char *bytes, size_t length);

/* What there is, once there is something, up to so many bytes. */
size_t read_some(struct channel *channel, unsigned char *bytes, size_t length);

#endif
