/*
 * What the machine's own mechanisms give, for brokers to be held against. Prints one line of JSON to the standard
 * output, or one line to the standard error that says why not; status.h has what it ends with.
 */
#include <stdio.h>
#include <string.h>

#include "copy.h"
#include "latency.h"
#include "options.h"
#include "supervisor.h"
#include "throughput.h"

static enum status usage(void) {
  fputs(USAGE, stderr);
  return STATUS_USAGE;
}

static enum status unknown_mechanism(const char *name) {
  fprintf(stderr, "floors: unknown mechanism \"%s\", expected one of", name);
  for (const struct mechanism *const *each = MECHANISMS; *each != NULL; each++) {
    fprintf(stderr, " %s", (*each)->name);
  }
  fputc('\n', stderr);
  return STATUS_USAGE;
}

static enum status run_latency(const struct mechanism *mechanism, const struct options *options) {
  const struct latency_order order = {
    .mechanism = mechanism,
    .message_bytes = options->message_bytes,
    .warmup_count = options->warmup_count,
    .count = options->count,
    .hops = options->hops,
    .is_apart = options->is_apart,
    .timeout_s = options->timeout_s,
  };
  return measure_latency(&order);
}

static enum status run_throughput(const struct mechanism *mechanism, const struct options *options) {
  const struct throughput_order order = {
    .mechanism = mechanism,
    .message_bytes = options->message_bytes,
    .batch_bytes = options->batch_bytes,
    .warmup_ms = options->warmup_ms,
    .duration_ms = options->duration_ms,
    .timeout_s = options->timeout_s,
  };
  return measure_throughput(&order);
}

static enum status run_copy(const struct options *options) {
  const struct copy_order order = {
    .message_bytes = options->message_bytes,
    .duration_ms = options->duration_ms,
    .timeout_s = options->timeout_s,
  };
  return measure_copy(&order);
}

static enum status run(int count, char *const *arguments) {
  struct options options;
  if (count < 2) return usage();
  const char *command = arguments[1];
  if (strcmp(command, "copy") == 0) {
    const enum status status = parse_options(count - 2, arguments + 2, &options);
    return status == STATUS_OK ? run_copy(&options) : status;
  }
  const bool is_latency = strcmp(command, "latency") == 0;
  if (count < 3 || (!is_latency && strcmp(command, "throughput") != 0)) return usage();
  const struct mechanism *mechanism = mechanism_named(arguments[2]);
  if (mechanism == NULL) return unknown_mechanism(arguments[2]);
  const enum status status = parse_options(count - 3, arguments + 3, &options);
  if (status != STATUS_OK) return status;
  return is_latency ? run_latency(mechanism, &options) : run_throughput(mechanism, &options);
}

int main(int count, char **arguments) {
  enum status status = supervise_signals();
  if (status == STATUS_OK) status = run(count, arguments);
  end_as_told();
  return status;
}
