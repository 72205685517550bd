#include "descriptors.h"

#include <pthread.h>
#include <unistd.h>

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct ringbus_descriptor *first;

static void before_fork(void) { pthread_mutex_lock(&list_lock); }

static void in_parent(void) { pthread_mutex_unlock(&list_lock); }

/* Runs in the child's only thread, a copy of the one that took the lock; close may be called here. */
static void in_child(void) {
  for (struct ringbus_descriptor *node = first; node != NULL; node = node->next) {
    close(node->fd);
    node->fd = -1;
    node->link = NULL;
  }
  first = NULL;
  pthread_mutex_unlock(&list_lock);
}

/* When the addon is loaded, before any thread can call it; pthread_once is a symbol of glibc 2.34. It fails only
 * without memory; then a child that is not going to execute anything keeps the descriptors. */
__attribute__((constructor)) static void register_handlers(void) {
  pthread_atfork(before_fork, in_parent, in_child);
}

void descriptor_keep(struct ringbus_descriptor *descriptor, int fd) {
  pthread_mutex_lock(&list_lock);
  *descriptor = (struct ringbus_descriptor){.fd = fd, .next = first, .link = &first};
  if (first != NULL) first->link = &descriptor->next;
  first = descriptor;
  pthread_mutex_unlock(&list_lock);
}

void descriptor_close(struct ringbus_descriptor *descriptor) {
  pthread_mutex_lock(&list_lock);
  int fd = descriptor->fd;
  if (fd >= 0) {
    *descriptor->link = descriptor->next;
    if (descriptor->next != NULL) descriptor->next->link = descriptor->link;
    *descriptor = (struct ringbus_descriptor){.fd = -1};
  }
  pthread_mutex_unlock(&list_lock);
  if (fd >= 0) close(fd);
}
