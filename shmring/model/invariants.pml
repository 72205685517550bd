/* What must hold in every state, and in those in which nothing can go on. */

/* Records whose memory somebody may read or write. */
#define IN_USE \
  (claims | undelivered | live | outbox[0] | outbox[1] | lease[0] | lease[1] | readable[0] | readable[1])

/* Each granule is free, claimed, on its way back, or of a record that has not retired. */
#define BALANCE (count + latePost + due + TAKEN(claims | undelivered) + TAKEN(BOOKED))
#define IS_BALANCED (BALANCE == C || !brokerUp || !ownerUp || isAbandoned || !TAKES_COMMITS)

#define READS_UNSEALED(s) ((readerFetch[s] == GRANTED || readerHasMap[s]) && !isSealed)

/* Ways to the segment's memory: while there is one, the kernel keeps it. */
#define HAS_MEMORY \
  (brokerHasSegment || ownerHasMap || ownerFetch == GRANTED || readerHasMap[0] || readerFetch[0] == GRANTED || \
   readerHasMap[1] || readerFetch[1] == GRANTED)

#define NOBODY_STOPPED (!stopped[0] && !stopped[1])

/* All that was routed to the subscriber has been sent to it, or counted as dropped or lost. */
#define IS_ACCOUNTED(s) (outbox[s] == 0 && heap[s] == 0)

inline checkEnd() {
  /* A claim that fits is given out or fails. */
  REQUIRE(claims_end, !ownerUp || publisher == AT_REST);
  if
  :: brokerUp ->
    REQUIRE(commits_accounted, undelivered == 0 && IS_ACCOUNTED(0) && IS_ACCOUNTED(1));
    REQUIRE(lease_ends_once, (lease[0] == 0 || stopped[0]) && (lease[1] == 0 || stopped[1]));
    REQUIRE(nothing_remains, isOwnerKnown && segment == ACTIVE || segment == FREED || stopped[0] || stopped[1])
  :: else
  fi;
  if
  :: !ownerUp && !readerUp[0] && !readerUp[1] ->
    REACHED(all_clients_gone);
    REQUIRE(nothing_remains, !HAS_MEMORY)
  :: else -> REQUIRE(nothing_remains, !HAS_MEMORY || brokerUp && segment == ACTIVE || stopped[0] || stopped[1])
  fi;
  if :: stopped[0] -> REACHED(somebody_stays_stopped) :: else fi;
  if :: brokerUp && ownerUp && readerUp[0] && made == RECORDS -> REACHED(nobody_died) :: else fi
}

proctype Invariants() {
end:
  do
  :: d_step { CLASH(IN_USE) -> REQUIRE(no_overlap, false) }
  :: d_step { !IS_BALANCED -> REQUIRE(count_adds_up, false) }
  :: d_step { READS_UNSEALED(0) || READS_UNSEALED(1) -> REQUIRE(sealed_before_read, false) }
  :: atomic { timeout -> d_step { checkEnd() } }; break
  od
}

proctype Calm() {
  calm = true
}

init {
  atomic {
    /* A ring that was used before, so that names wrap within a run; a claim restarts it, unless it is at 0. */
    if
    :: head = C
    :: STARTS_ANYWHERE -> head = C + 1
    :: STARTS_ANYWHERE -> head = C + 2
    :: STARTS_ANYWHERE -> head = C + 3
    fi;
    tail = head;
    run Publisher();
    run Broker();
    run Subscriber(0);
#if SUBSCRIBERS == 2
    run Subscriber(1);
#else
    readerEnds(1);
    peer[1] = ENDED;
    attachment[1] = GONE;
#endif
#if FINE_SEMAPHORE
    run Processors();
#endif
    run Invariants();
    run Calm()
  }
}
