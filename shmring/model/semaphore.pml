/*
 * The semaphore in the segment: `count` free granules, and what the owner `want`s.
 *
 * Spin is sequentially consistent, processors are not: a store may become visible after loads that follow it. The two
 * stores between which and a load the algorithm needs a fence have a buffer here, which `Processors` empties at any
 * time. A fence waits until its process's buffer is empty.
 */
byte count = C;
byte want;

/* The owner's store of `want`, not yet visible. */
bool isWantLate;
byte lateWant;

/* The broker's addition to `count`, not yet visible. */
byte latePost;

inline storeWant(value) {
  isWantLate = true;
  lateWant = value
}

inline addToCount(value) {
  latePost = latePost + value
}

#ifdef NO_FENCE_IN_WAIT
#define OWNER_FENCE true
#else
#define OWNER_FENCE (!isWantLate)
#endif

#ifdef NO_FENCE_IN_POST
#define BROKER_FENCE true
#else
#define BROKER_FENCE (latePost == 0)
#endif

#if FINE_SEMAPHORE
proctype Processors() {
end:
  do
  :: d_step { isWantLate -> printf("want becomes visible\n"); want = lateWant; isWantLate = false; lateWant = 0 }
  :: d_step { latePost > 0 -> printf("the post becomes visible\n"); count = count + latePost; latePost = 0 }
  od
}
#endif
