/* What the broker knows of the segment and its records. It lives in one thread: a turn of it is one step. */

mtype broker = LISTENING;
mtype segment = (STARTS_ACTIVE -> ACTIVE : CREATED);
bool isAbandoned;
/* The owner's stream has not ended, as far as the broker has read. */
bool isOwnerKnown = true;
mtype peer[2] = OPEN;
mtype attachment[2] = (STARTS_ACTIVE -> ATTACHED : NONE);

byte tail;
/* Records that queues or leases refer to, and records that nobody refers to and that have not retired. */
byte live;
byte finished;
/* Queued frames that refer to a record, queued copies of a payload on the heap, leases. */
byte outbox[2];
byte heap[2];
byte lease[2];
/* Granules behind the tail that have not been posted. */
byte due;
/* The owner's wish, as it was read. */
byte wish;

#ifdef POST_BEFORE_TAIL
byte leaving;
#endif
#ifdef LEASE_AFTER_WRITE
/* Written to the subscriber's socket, the lease not yet counted. */
byte uncounted[2];
#endif

#define BOOKED (live | finished)
#ifdef RESTART_KEEPS_TAIL
#define START(r) (position[r] - padding[r])
#else
#define START(r) (HAS(restarted, r) -> position[r] : position[r] - padding[r])
#endif
#define END(r) (position[r] + granules[r])
#define TAKES_COMMITS (segment == ACTIVE || segment == RETIRING)
#define ROUND_UP(p) (((p) + C - 1) / C * C)

/* The span at the tail, if it is known. Otherwise an open claim is there, or nothing. */
inline findOldest() {
  isFound = false;
  other = 0;
  each = 0;
  do
  :: each < RECORDS && HAS(BOOKED, each) && START(each) == tail -> isFound = true; other = each; each++
  :: each < RECORDS && !(HAS(BOOKED, each) && START(each) == tail) -> each++
  :: each == RECORDS -> break
  od
}

/* broker/rings/record-book.ts RecordBook.fault: an honest owner's span is never refused. */
inline checkSpan(r) {
  findOldest();
  first = position[r] - padding[r];
  last = END(r);
  /* A restart, and so maybe an open claim at the tail, leaves the rest of the segment out. */
  bound = tail + C;
  if :: HAS(restarted, r) || !isFound && first != tail -> bound = ROUND_UP(tail) + C :: else fi;
  REQUIRE(commits_accounted, TAKES_COMMITS && isOwnerKnown);
  REQUIRE(commits_accounted, first >= tail && last <= bound && position[r] % C + granules[r] <= C);
  REQUIRE(commits_accounted, padding[r] == 0 || position[r] % C == 0 && padding[r] < C);
  REQUIRE(commits_accounted, !HAS(restarted, r) || first == tail);
  REQUIRE(commits_accounted, !HAS(BOOKED, r) && !CLASH(BOOKED | BIT(r)))
}

/* broker/rings/record-book.ts RecordBook.add: what a restart skips was never taken, and is of no concern. */
inline bookSpan(r) {
  undelivered = undelivered & ~BIT(r);
  if
  :: HAS(restarted, r) ->
    REACHED(restart_booked);
#ifndef RESTART_KEEPS_TAIL
    tail = START(r)
#endif
  :: else
  fi
}

/* Nothing is left of a record: all runs go on alike. */
inline forget(r) {
  if
  :: !HAS(lease[0] | lease[1] | readable[0] | readable[1], r) ->
    position[r] = 0;
    granules[r] = 0;
    padding[r] = 0;
    taken[r] = 0;
    cells[r] = 0;
    restarted = restarted & ~BIT(r)
  :: else
  fi
}

inline forgetBooks() {
  each = 0;
  do
  :: each < RECORDS && HAS(BOOKED, each) -> forget(each); each++
  :: each < RECORDS && !HAS(BOOKED, each) -> each++
  :: each == RECORDS -> break
  od;
  live = 0;
  finished = 0
}

#ifdef POST_RESTART_PADDING
#define DUE_FOR(r) (granules[r] + padding[r])
#else
#define DUE_FOR(r) taken[r]
#endif

/* broker/rings/record-book.ts RecordBook.retire: moves the tail over what is finished. */
inline moveTail() {
  findOldest();
  do
  :: isFound && HAS(finished, other) ->
    if :: padding[other] > 0 && !HAS(restarted, other) -> REACHED(retired_around_the_end) :: else fi;
    tail = END(other);
    finished = finished & ~BIT(other);
#ifndef POST_BEFORE_TAIL
    due = due + DUE_FOR(other);
#endif
    forget(other);
    findOldest()
  :: else -> break
  od
}

#ifdef RETIRE_OUT_OF_ORDER
/* Retires whatever is finished; the tail is where the first span that has not retired begins. */
inline retireRecords() {
  each = 0;
  do
  :: each < RECORDS ->
    if :: HAS(finished, each) -> due = due + taken[each]; finished = finished & ~BIT(each); forget(each) :: else fi;
    each++
  :: else -> break
  od;
  tail = head;
  each = 0;
  do
  :: each < RECORDS ->
    if
    :: HAS(BOOKED, each) && START(each) < tail -> tail = START(each)
    :: HAS(claims | undelivered, each) && position[each] - padding[each] < tail -> tail = position[each] - padding[each]
    :: else
    fi;
    each++
  :: else -> break
  od
}
#else
inline retireRecords() {
#ifdef POST_BEFORE_TAIL
  findOldest();
  if :: isFound && HAS(finished, other) -> leaving = BIT(other) :: else fi
#else
  moveTail()
#endif
}
#endif

#ifdef POST_BEFORE_TAIL
#define MUST_POST leaving
#else
#define MUST_POST due
#endif

/* broker/rings/segment.ts Segment.settle, broker/rings/segment.ts Segment.retireRecords */
/* A frame for the owner. Writing to one that has left fails (EPIPE): what it sent before must still be read. */
inline tellOwner(frame) {
  printf("broker sends %e to the owner\n", frame);
  if
  :: ownerUp -> toOwner!frame
  :: else ->
    REACHED(write_to_dead_owner);
#ifdef EPIPE_DROPS_INPUT
    do :: nempty(toBroker) -> toBroker?_, _ :: empty(toBroker) -> break od
#endif
  fi
}

inline settle() {
  fallen = live & ~(outbox[0] | outbox[1] | lease[0] | lease[1]);
  live = live & ~fallen;
  finished = finished | fallen;
  if
  :: TAKES_COMMITS ->
    retireRecords();
    if
#if FINE_SEMAPHORE
    :: MUST_POST > 0 && !isAbandoned -> broker = POSTING
#else
    :: MUST_POST > 0 && !isAbandoned ->
      count = count + due;
      due = 0;
      if
      :: want > 0 && want <= count -> REACHED(space_sent); want = 0; tellOwner(SPACE)
      :: else
      fi
#endif
    :: MUST_POST > 0 && isAbandoned -> due = 0; broker = LISTENING
    :: else -> broker = LISTENING
    fi
  :: segment == DRAINING && live == 0 ->
    /* broker/rings/segment.ts Segment.close */
    REACHED(segment_closed);
    segment = CLOSED;
#ifndef CLOSED_STAYS_OPEN
    brokerHasSegment = false;
#endif
    forgetBooks()
  :: else
  fi;
  free()
}

/* broker/rings/ring-table.ts RingTable.free: once no client has it mapped. */
inline free() {
  if
  :: segment == CLOSED && (attachment[0] == NONE || attachment[0] == GONE) && (attachment[1] == NONE || attachment[1] == GONE) ->
    REACHED(segment_freed);
    segment = FREED
  :: else
  fi
}

/* The broker's process ends, and with it all it knows. */
inline brokerEnds() {
  brokerUp = false;
  brokerHasSegment = false;
  do :: nempty(toBroker) -> toBroker?_, _ :: empty(toBroker) -> break od;
  do :: nempty(fromReader[0]) -> fromReader[0]?_ :: empty(fromReader[0]) -> break od;
  do :: nempty(fromReader[1]) -> fromReader[1]?_ :: empty(fromReader[1]) -> break od;
  returned[0] = 0;
  returned[1] = 0;
  if :: ownerFetch == ASKED -> ownerFetch = REFUSED :: else fi;
  if :: readerFetch[0] == ASKED -> readerFetch[0] = REFUSED :: else fi;
  if :: readerFetch[1] == ASKED -> readerFetch[1] = REFUSED :: else fi;
  undelivered = 0;
  outbox[0] = 0;
  outbox[1] = 0;
  heap[0] = 0;
  heap[1] = 0;
  lease[0] = 0;
  lease[1] = 0;
  due = 0;
  wish = 0;
  tail = 0;
  broker = LISTENING;
  segment = FREED;
  forgetBooks()
}
