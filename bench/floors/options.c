#define _GNU_SOURCE
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"

#define MIB ((unsigned long)1024 * 1024)

const char USAGE[] =
    "usage: floors latency MECHANISM [--bytes N] [--count N] [--warmup N] [--hops 2|4]\n"
    "                                [--processors apart|any] [--timeout S]\n"
    "       floors throughput MECHANISM [--bytes N] [--ms N] [--warmup-ms N] [--batch N] [--timeout S]\n"
    "       floors copy [--bytes N] [--ms N] [--timeout S]\n";

static const struct options DEFAULTS = {
  .message_bytes = 128,
  .count = 10000,
  .warmup_count = 1000,
  .hops = 2,
  .is_apart = true,
  .duration_ms = 1000,
  .warmup_ms = 100,
  .batch_bytes = 64 * 1024,
  .timeout_s = 60,
};

/* A digit first, for strtoul takes blanks and signs. */
static enum status parse_number(const char *name, const char *text, unsigned long min, unsigned long max,
                                unsigned long *number) {
  char *end = NULL;
  errno = 0;
  *number = isdigit((unsigned char)text[0]) ? strtoul(text, &end, 10) : 0;
  if (end != NULL && *end == '\0' && errno == 0 && *number >= min && *number <= max) return STATUS_OK;
  return refused(STATUS_USAGE, "expected %s to be an integer from %lu to %lu, got \"%s\"", name, min, max, text);
}

static enum status parse_option(const char *name, const char *text, struct options *options) {
  unsigned long number = 0;
  enum status status = STATUS_OK;
  if (strcmp(name, "--bytes") == 0) {
    status = parse_number(name, text, MESSAGE_BYTES_MIN, 64 * MIB, &number);
    options->message_bytes = number;
  } else if (strcmp(name, "--count") == 0) {
    status = parse_number(name, text, 1, 10000000, &number);
    options->count = number;
  } else if (strcmp(name, "--warmup") == 0) {
    status = parse_number(name, text, 0, 10000000, &number);
    options->warmup_count = number;
  } else if (strcmp(name, "--hops") == 0) {
    status = parse_number(name, text, 2, 4, &number);
    if (status == STATUS_OK && number == 3) status = refused(STATUS_USAGE, "expected --hops to be 2 or 4");
    options->hops = (unsigned)number;
  } else if (strcmp(name, "--processors") == 0) {
    options->is_apart = strcmp(text, "apart") == 0;
    if (!options->is_apart && strcmp(text, "any") != 0) {
      status = refused(STATUS_USAGE, "expected --processors to be apart or any, got \"%s\"", text);
    }
  } else if (strcmp(name, "--ms") == 0) {
    status = parse_number(name, text, 1, 600000, &number);
    options->duration_ms = (unsigned)number;
  } else if (strcmp(name, "--warmup-ms") == 0) {
    status = parse_number(name, text, 0, 600000, &number);
    options->warmup_ms = (unsigned)number;
  } else if (strcmp(name, "--batch") == 0) {
    status = parse_number(name, text, 1, 64 * MIB, &number);
    options->batch_bytes = number;
  } else if (strcmp(name, "--timeout") == 0) {
    status = parse_number(name, text, 1, 3600, &number);
    options->timeout_s = (unsigned)number;
  } else {
    status = refused(STATUS_USAGE, "unknown option \"%s\"", name);
  }
  return status;
}

enum status parse_options(int count, char *const *arguments, struct options *options) {
  *options = DEFAULTS;
  for (int index = 0; index < count; index += 2) {
    if (index + 1 == count) return refused(STATUS_USAGE, "expected a value after \"%s\"", arguments[index]);
    const enum status status = parse_option(arguments[index], arguments[index + 1], options);
    if (status != STATUS_OK) return status;
  }
  return STATUS_OK;
}
