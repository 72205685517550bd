/* The owner of the ring: claims, waits for space, commits or aborts in any order, and answers RETIRE. */

/* Claims made so far. */
byte made;
/* The claim that is being made: its granules, and how many must be free. 0: none. */
byte size;
byte needed;
/* Whether it skips the rest of the ring although the record would fit there. */
bool turnsEarly;
mtype publisher = AT_REST;
bool isMapped = STARTS_ACTIVE;
bool isAskedToRetire;
bool hasAnswered;

#ifdef RESTART_WITH_LOAN_OPEN
#define NOTHING_IN_FLIGHT (count + TAKEN(claims) == C)
#else
#define NOTHING_IN_FLIGHT (count == C)
#endif

#ifdef NEED_UNCAPPED
#define NEED_OF_RESTART (room + size)
#else
#define NEED_OF_RESTART C
#endif

/* shmring/core/ring.c ringbus_ring_plan */
inline planClaim() {
  offset = head % C;
  room = C - offset;
  gap = 0;
  isAnew = false;
  need = size;
  if
  :: NOTHING_IN_FLIGHT ->
    if :: offset > 0 -> isAnew = true; gap = room :: else fi
  :: else ->
    if
    :: size <= room && !turnsEarly
    :: size <= room && turnsEarly -> need = room + size; gap = room; REACHED(early_turn)
    :: size > room && room + size <= C -> need = room + size; gap = room
    :: size > room && room + size > C -> need = NEED_OF_RESTART
    fi
  fi
}

/* shmring/core/ring.c ringbus_ring_take */
inline takeClaim() {
  position[made] = head + gap;
  granules[made] = size;
  padding[made] = gap;
  taken[made] = need;
  cells[made] = ((1 << size) - 1) << ((head + gap) % C);
  restarted = restarted | (isAnew << made);
  count = count - need;
  if :: isAnew -> REQUIRE(restart_alone, (claims | undelivered | BOOKED) == 0) :: else fi;
  claims = claims | BIT(made);
  head = head + gap + size;
  made++;
  size = 0;
  needed = 0;
  publisher = AT_REST;
  printf("publisher claims record %d: position %d, %d granules, padding %d, restarted %d\n", made - 1,
    position[made - 1], granules[made - 1], padding[made - 1], isAnew)
}

/* client/rings/owned-segment.ts OwnedSegment.claim, for client/rings/outgoing-ring.ts OutgoingRing.place and
 * client/rings/outgoing-ring.ts OutgoingRing.claimForLoan. Where too little is free, it waits. */
inline claim() {
  planClaim();
  if
  :: count >= need ->
    if :: isAnew -> REACHED(restart) :: else fi;
    if :: !isAnew && gap > 0 -> REACHED(padding) :: else fi;
    if :: needed > 0 -> REACHED(claim_after_wait) :: else fi;
    if :: made > 0 && claims -> REACHED(two_open_claims) :: else fi;
    takeClaim()
  :: else ->
    needed = need;
#if !FINE_SEMAPHORE
    want = need;
    printf("publisher waits for %d granules\n", need);
    REACHED(wait);
    publisher = WAITING
#elif defined(COUNT_BEFORE_WANT)
    publisher = LOOKING
#else
    publisher = WISHING
#endif
  fi
}

#define PUBLISHER_TURN (ownerUp && (publisher == AT_REST || publisher == WAITING))
#define MAY_CLAIM (ownerUp && publisher == AT_REST && isMapped && !isAskedToRetire && made < RECORDS)

#define MAY_TURN_EARLY(n) (count < C && head % C > 0 && n <= C - head % C && C - head % C + n <= count)

#define CLAIM_OF(n) \
  :: d_step { MAY_CLAIM && n >= GRANULES_MIN && n <= GRANULES_MAX -> size = n; claim() } \
  :: d_step { /* shmring/core/ring.c turns_early: where there is room for that, so that it never waits for it */ \
      MAY_CLAIM && n >= GRANULES_MIN && n <= GRANULES_MAX && MAY_TURN_EARLY(n) -> \
      turnsEarly = true; size = n; claim(); turnsEarly = false }

#define RESOLVE(r) \
  :: d_step { /* client/rings/outgoing-ring.ts OutgoingRing.settled: its frame is written */ \
      PUBLISHER_TURN && HAS(claims, r) && nfull(toBroker) -> \
      if :: claims & (BIT(r) - 1) -> REACHED(commit_out_of_order) :: else fi; \
      claims = claims & ~BIT(r); \
      undelivered = undelivered | BIT(r); \
      toBroker!COMMIT, r; \
      printf("publisher sends COMMIT of record %d\n", r) \
    } \
  :: d_step { /* client/rings/owned-segment.ts OwnedSegment.abort */ \
      MAY_ABORT && PUBLISHER_TURN && HAS(claims, r) && nfull(toBroker) -> \
      claims = claims & ~BIT(r); \
      undelivered = undelivered | BIT(r); \
      toBroker!ABORT, r; \
      printf("publisher sends ABORT of record %d\n", r) \
    }

proctype Publisher() {
end:
  do
  CLAIM_OF(1)
  CLAIM_OF(2)
  CLAIM_OF(3)
  CLAIM_OF(4)
  RESOLVE(0)
  RESOLVE(1)
#if RECORDS == 3
  RESOLVE(2)
#endif

  /* client/rings/owned-segment.ts OwnedSegment.awaitRoom, shmring/core/ring.c ringbus_ring_wait */
#if !FINE_SEMAPHORE
#elif defined(COUNT_BEFORE_WANT)
  :: d_step { ownerUp && publisher == LOOKING ->
      printf("publisher looks at count: %d\n", count);
      if :: count >= needed -> claim() :: else -> publisher = WISHING fi
    }
  :: d_step { ownerUp && publisher == WISHING ->
      printf("publisher wants %d granules, and waits\n", needed);
      want = needed;
      publisher = WAITING
    }
#else
  :: d_step { ownerUp && publisher == WISHING ->
      printf("publisher wants %d granules\n", needed);
      storeWant(needed);
      publisher = LOOKING
    }
  :: d_step { ownerUp && publisher == LOOKING && OWNER_FENCE ->
      printf("publisher looks at count: %d\n", count);
      if
      :: count >= needed -> REACHED(space_before_wait); want = 0; claim()
      :: else -> publisher = WAITING; REACHED(wait)
      fi
    }
#endif

  /* client/rings/outgoing-ring.ts OutgoingRing.roomMade: who waits tries again. */
  :: d_step { PUBLISHER_TURN && toOwner?[SPACE] ->
      toOwner?SPACE;
      printf("publisher reads SPACE\n");
      if :: publisher == WAITING -> claim() :: else fi
    }

  /* client/rings/outgoing-ring.ts OutgoingRing.retire: who waits goes elsewhere, inline or to another ring. */
  :: d_step { PUBLISHER_TURN && toOwner?[RETIRE] ->
      toOwner?RETIRE;
      printf("publisher reads RETIRE\n");
      if :: publisher == WAITING -> REACHED(wait_ended_by_retire) :: else fi;
      isAskedToRetire = true;
      size = 0;
      needed = 0;
      publisher = AT_REST
    }
  /* client/rings/owned-segment.ts OwnedSegment.retireIfIdle */
  :: d_step { PUBLISHER_TURN && isAskedToRetire && !hasAnswered && claims == 0 && nfull(toBroker) ->
      hasAnswered = true;
      isMapped = false;
      ownerHasMap = false;
      toBroker!RETIRED, 0;
      printf("publisher sends RETIRED\n")
    }

  /* client/rings/ring-opener.ts RingOpener.offered: fetches the descriptor over a second connection. */
  :: d_step { PUBLISHER_TURN && toOwner?[SEGMENT] ->
      toOwner?SEGMENT;
      ownerFetch = ASKED;
      printf("publisher asks for the descriptor\n")
    }
  /* client/rings/ring-opener.ts RingOpener.mapped */
  :: d_step { PUBLISHER_TURN && ownerFetch == GRANTED && nfull(toBroker) ->
      ownerFetch = UNASKED;
      isMapped = true;
      ownerHasMap = true;
      toBroker!MAPPED, 0;
      printf("publisher sends MAPPED\n")
    }
  /* client/rings/ring-opener.ts RingOpener.decline */
  :: d_step { PUBLISHER_TURN && (ownerFetch == GRANTED || ownerFetch == REFUSED) && nfull(toBroker) ->
      ownerFetch = UNASKED;
      toBroker!DECLINE, 0;
      printf("publisher sends DECLINE\n")
    }

  /* client/rings/outgoing-ring.ts OutgoingRing.disconnected: the broker hung up, every wait and claim fails. */
#ifdef NO_WAKE_AT_HANG_UP
  :: d_step { ownerUp && publisher == AT_REST && !brokerUp && empty(toOwner) ->
#else
  :: d_step { PUBLISHER_TURN && !brokerUp && empty(toOwner) ->
#endif
      printf("publisher sees that the broker hung up\n");
      if :: publisher == WAITING -> REACHED(wait_ended_by_hang_up) :: else fi;
      ownerEnds();
      size = 0;
      needed = 0;
      publisher = AT_REST
    }

  /* kill -9 */
  :: d_step { ownerUp && !calm ->
      printf("publisher is killed\n");
      ownerEnds();
      size = 0;
      needed = 0;
      publisher = AT_REST
    }
  od
}
