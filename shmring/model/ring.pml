/*
 * The protocol of payloads by ring, as a model for spin. README.md says what it covers and how to read it.
 *
 * Four processes, each of which may be killed between any two of its steps:
 *
 *   publisher ──frames──> broker ──frames──> subscriber 0, subscriber 1
 *        └── count, want ──┘     <──RELEASE──┘
 *
 * A process is one loop; an option of it is one step, which names the function of the code that takes it.
 */
#include "world.pml"
#include "semaphore.pml"
#include "broker-books.pml"
#include "publisher.pml"
#include "broker.pml"
#include "subscriber.pml"
#include "invariants.pml"
