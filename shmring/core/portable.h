/*
 * What the core takes from libc in another way than by its name. glibc gives a changed function a new symbol,
 * and a build takes the newest: an addon that was built with a new glibc would not load with the older ones
 * that Node itself runs on. Inside core/ only.
 */
#ifndef RINGBUS_PORTABLE_H
#define RINGBUS_PORTABLE_H

#include <stdint.h>
#include <sys/stat.h>

#if defined(__GLIBC__) && ((defined(__x86_64__) && defined(__LP64__)) || defined(__aarch64__))
#include <sys/syscall.h>
#include <unistd.h>
/* On these processors glibc's `struct stat` is the kernel's. */
#define PORTABLE_STAT_IS_THE_KERNELS 1
#endif

/* As fstat, which is a symbol of glibc 2.33. */
static inline int portable_fstat(int fd, struct stat *status) {
#ifdef PORTABLE_STAT_IS_THE_KERNELS
  return (int)syscall(SYS_fstat, fd, status);
#else
  return fstat(fd, status);
#endif
}

/* The number that the text begins with, UINT64_MAX when it is larger; *end is behind its last digit, and is the
 * text itself when there is none. strtol and its like are symbols of glibc 2.38. */
static inline uint64_t portable_decimal(const char *text, const char **end) {
  uint64_t number = 0;
  for (; *text >= '0' && *text <= '9'; text++) {
    uint64_t digit = (uint64_t)(*text - '0');
    number = number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : number * 10 + digit;
  }
  *end = text;
  return number;
}

#endif
