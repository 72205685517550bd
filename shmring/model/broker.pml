/* The broker: a turn handles one frame, one end of a stream, or one clock, then posts what has become free. */

#define TURN (brokerUp && broker == LISTENING)

/* broker/rings/ring-table.ts RingTable.commit, broker/rings/segment.ts Segment.commit, and the routing. */
inline commit(r) {
  printf("broker reads COMMIT of record %d\n", r);
  checkSpan(r);
  bookSpan(r);
  live = live | BIT(r);
  if :: peer[0] == OPEN -> outbox[0] = outbox[0] | BIT(r) :: else fi;
  if :: peer[1] == OPEN -> outbox[1] = outbox[1] | BIT(r) :: else fi;
  settle()
}

/* broker/rings/ring-table.ts RingTable.abort, broker/rings/segment.ts Segment.abort */
inline abort(r) {
  printf("broker reads ABORT of record %d\n", r);
#ifdef ABORT_WITHOUT_PADDING
  if :: !HAS(restarted, r) -> padding[r] = 0; taken[r] = granules[r] :: else fi;
#endif
  checkSpan(r);
  bookSpan(r);
  finished = finished | BIT(r);
  settle()
}

/* broker/rings/segment.ts Segment.retire: the owner is asked, and goes on with the claims that it has. */
inline retire() {
  if
  :: segment == ACTIVE ->
#ifdef RETIRE_WITHOUT_ASKING
    segment = DRAINING;
#else
    segment = RETIRING;
#endif
    tellOwner(RETIRE)
  :: else
  fi
}

/* broker/rings/segment.ts Segment.abandon: what is released in it is not posted any more. */
inline abandon() {
  printf("broker abandons the segment\n");
  REACHED(abandoned);
  isAbandoned = true;
  retire()
}

/* broker/rings/segment.ts Segment.ownerGone */
inline ownerGone() {
  printf("broker knows that no claim is open\n");
  if
  :: segment == CREATED || segment == OFFERED || TAKES_COMMITS -> segment = DRAINING
  :: else
  fi;
  settle()
}

/* broker/rings/attachment.ts Attachment.release: the name must be that of a record leased to this client. */
inline release(s, name) {
  printf("broker ends the lease of %d by subscriber %d\n", name, s);
  isFound = false;
  each = 0;
  do
  :: each < RECORDS && HAS(lease[s], each) && position[each] % NAMES == name -> isFound = true; break
  :: each < RECORDS && !(HAS(lease[s], each) && position[each] % NAMES == name) -> each++
  :: each == RECORDS -> break
  od;
  REQUIRE(lease_ends_once, isFound);
  lease[s] = lease[s] & ~BIT(each)
}

/* broker/rings/attachment.ts Attachment.end: what was in flight is lost, and counted. */
inline endAttachment(s) {
  lease[s] = 0;
  outbox[s] = 0;
  heap[s] = 0;
#ifdef LEASE_AFTER_WRITE
  uncounted[s] = 0;
#endif
  attachment[s] = GONE
}

#ifdef COPY_OUT_IGNORES_LEASES
#define COPYABLE(r) HAS(live & (outbox[0] | outbox[1]), r)
#else
#define COPYABLE(r) (HAS(live & (outbox[0] | outbox[1]), r) && !HAS(lease[0] | lease[1], r))
#endif

/* broker/rings/ring-table.ts RingTable.copyOut: queues refer to the heap from now on. */
inline copyOut(r) {
  printf("broker copies record %d to its heap\n", r);
  REACHED(copied_out);
  heap[0] = heap[0] | (outbox[0] & BIT(r));
  heap[1] = heap[1] | (outbox[1] & BIT(r));
  outbox[0] = outbox[0] & ~BIT(r);
  outbox[1] = outbox[1] & ~BIT(r);
  live = live & ~BIT(r);
  finished = finished | BIT(r);
  settle()
}

#define MAY_WRITE(s) (TURN && peer[s] == OPEN && nfull(toReader[s]))
#define WRITE_MESSAGE(s, r) \
  printf("broker sends record %d to subscriber %d\n", r, s); \
  if :: readerUp[s] -> readable[s] = readable[s] | BIT(r) :: else fi
#define WRITE(s, frame) \
  printf("broker sends %e to subscriber %d\n", frame, s); \
  if :: readerUp[s] -> toReader[s]!frame :: else fi

#ifdef LEASE_AFTER_WRITE
#define SEND_MESSAGE(s, r) \
  :: d_step { MAY_WRITE(s) && HAS(outbox[s] & ~uncounted[s], r) && attachment[s] == ATTACHED -> \
      uncounted[s] = uncounted[s] | BIT(r); \
      WRITE_MESSAGE(s, r) \
    } \
  :: d_step { TURN && HAS(uncounted[s], r) -> \
      uncounted[s] = uncounted[s] & ~BIT(r); \
      outbox[s] = outbox[s] & ~BIT(r); \
      lease[s] = lease[s] | BIT(r); \
      printf("broker counts the lease of record %d\n", r) \
    }
#else
/* broker/rings/attachment.ts Attachment.lease: counted just before the bytes go to the socket. */
#define SEND_MESSAGE(s, r) \
  :: d_step { MAY_WRITE(s) && HAS(outbox[s], r) && attachment[s] == ATTACHED -> \
      outbox[s] = outbox[s] & ~BIT(r); \
      REQUIRE(lease_ends_once, !HAS(lease[s], r)); \
      lease[s] = lease[s] | BIT(r); \
      WRITE_MESSAGE(s, r) \
    }
#endif

#define SEND(s, r) \
  SEND_MESSAGE(s, r) \
  :: d_step { /* broker/rings/client-gate.ts ClientGate.present: it was copied */ \
      MAY_WRITE(s) && HAS(heap[s], r) -> \
      printf("broker sends record %d inline to subscriber %d\n", r, s); \
      heap[s] = heap[s] & ~BIT(r) \
    } \
  :: d_step { /* broker/rings/client-gate.ts ClientGate.inline */ \
      MAY_WRITE(s) && HAS(outbox[s], r) && \
      (attachment[s] == DECLINED || attachment[s] == GONE || attachment[s] == DETACHING || \
       attachment[s] == NONE && !isSealed) -> \
      REACHED(sent_inline); \
      printf("broker sends record %d inline to subscriber %d\n", r, s); \
      outbox[s] = outbox[s] & ~BIT(r); \
      settle() \
    } \
  :: d_step { /* broker/egress/outbox.ts: the backlog overflows, or the subscription ends */ \
      MAY_DROP && TURN && HAS(outbox[s], r) -> \
      printf("broker drops record %d for subscriber %d\n", r, s); \
      outbox[s] = outbox[s] & ~BIT(r); \
      settle() \
    }

/* broker/rings/ring-table.ts RingTable.heldUp */
#define COPY_OUT(r) \
  :: d_step { MAY_COPY_OUT && TURN && COPYABLE(r) && START(r) == tail -> copyOut(r) }

#if RECORDS == 3
#define SEND_ANY(s) SEND(s, 0) SEND(s, 1) SEND(s, 2)
#else
#define SEND_ANY(s) SEND(s, 0) SEND(s, 1)
#endif

#ifdef RELEASE_TWICE
#define RELEASE_READ(s) release(s, heard); release(s, heard)
#else
#define RELEASE_READ(s) release(s, heard)
#endif

#define IS_READ(s) (peer[s] == OPEN || peer[s] == HALF_CLOSED)
#define READ(s, frame) TURN && IS_READ(s) && fromReader[s]?[frame]

#ifdef CLOSE_ENDS_LEASES
#define GIVE_UP_SEGMENT
#else
#define GIVE_UP_SEGMENT if :: TAKES_COMMITS && !isAbandoned -> abandon() :: else fi;
#endif

#ifdef ATTACH_BEFORE_SEAL
#define MAY_OFFER(s) (segment == OFFERED || segment == ACTIVE)
#else
#define MAY_OFFER(s) (isSealed && outbox[s])
#endif

#define SERVE(s) \
  :: d_step { /* broker/rings/ring-table.ts RingTable.release */ \
      TURN && IS_READ(s) && returned[s] -> \
      heard = 0; \
      do :: HAS(returned[s], heard) -> break :: else -> heard++ od; \
      returned[s] = returned[s] & ~BIT(heard); \
      RELEASE_READ(s); \
      settle() \
    } \
  :: d_step { /* broker/rings/ring-table.ts RingTable.mapped */ \
      READ(s, MAPPED) -> \
      fromReader[s]?MAPPED; \
      printf("broker reads MAPPED from subscriber %d\n", s); \
      if :: attachment[s] == ATTACHING || attachment[s] == DECLINED -> attachment[s] = ATTACHED :: else fi \
    } \
  :: d_step { /* broker/rings/ring-table.ts RingTable.decline */ \
      READ(s, DECLINE) -> \
      fromReader[s]?DECLINE; \
      if :: attachment[s] == ATTACHING -> attachment[s] = DECLINED :: else fi \
    } \
  :: d_step { /* broker/rings/ring-table.ts RingTable.detached */ \
      READ(s, DETACHED) -> \
      fromReader[s]?DETACHED; \
      attachment[s] = GONE; \
      settle() \
    } \
  :: d_step { /* broker/rings/ring-table.ts RingTable.clientEnded: its own stream has ended */ \
      TURN && IS_READ(s) && !readerUp[s] && empty(fromReader[s]) && !returned[s] -> \
      printf("broker reads the end of subscriber %d's stream\n", s); \
      if :: lease[s] -> REACHED(leases_end_with_stream) :: else fi; \
      peer[s] = ENDED; \
      endAttachment(s); \
      settle() \
    } \
  :: d_step { /* the broker wants to be rid of the client: it hangs up its own side, and reads on */ \
      MAY_EVICT && s == 0 && TURN && peer[s] == OPEN -> \
      printf("broker hangs up on subscriber %d\n", s); \
      peer[s] = HALF_CLOSED; \
      outbox[s] = 0; \
      heap[s] = 0; \
      settle() \
    } \
  :: d_step { /* broker/rings/ring-table.ts RingTable.clientEnded, cut off: its deadline has passed */ \
      TURN && peer[s] == HALF_CLOSED -> \
      printf("broker closes the connection of subscriber %d\n", s); \
      if :: lease[s] -> REACHED(cut_off_with_leases) :: else fi; \
      GIVE_UP_SEGMENT \
      peer[s] = ENDED; \
      do :: nempty(fromReader[s]) -> fromReader[s]?_ :: empty(fromReader[s]) -> break od; \
      returned[s] = 0; \
      endAttachment(s); \
      settle() \
    } \
  :: d_step { /* broker/rings/ring-table.ts RingTable.attach */ \
      MAY_WRITE(s) && attachment[s] == NONE && segment != CLOSED && MAY_OFFER(s) -> \
      attachment[s] = ATTACHING; \
      WRITE(s, SEGMENT) \
    } \
  :: d_step { /* the clock of RingTable.attach */ \
      !STARTS_ACTIVE && TURN && attachment[s] == ATTACHING -> \
      attachment[s] = DECLINED; \
      printf("broker waits no longer for subscriber %d to map\n", s) \
    } \
  :: d_step { /* broker/rings/ring-table.ts RingTable.grant, on the second connection */ \
      TURN && readerFetch[s] == ASKED -> \
      printf("broker answers ATTACH of subscriber %d\n", s); \
      if \
      :: (attachment[s] == ATTACHING || attachment[s] == DECLINED) && brokerHasSegment -> readerFetch[s] = GRANTED \
      :: else -> readerFetch[s] = REFUSED; REACHED(attach_refused) \
      fi \
    } \
  :: d_step { /* broker/rings/attachment.ts Attachment.detach */ \
      MAY_WRITE(s) && segment == CLOSED && \
      (attachment[s] == ATTACHING || attachment[s] == ATTACHED || attachment[s] == DECLINED) -> \
      attachment[s] = DETACHING; \
      WRITE(s, DETACH) \
    }

proctype Broker() {
end:
  do
  /* A turn for each frame of the owner. */
  :: d_step { TURN && toBroker?[COMMIT] -> toBroker?COMMIT, heard; commit(heard) }
  :: d_step { TURN && toBroker?[ABORT] -> toBroker?ABORT, heard; abort(heard) }
  SERVE(0)
  SERVE(1)
  SEND_ANY(0)
  SEND_ANY(1)
  COPY_OUT(0)
  COPY_OUT(1)
#if RECORDS == 3
  COPY_OUT(2)
#endif

  /* broker/rings/warden.ts Warden.lookForHolder: a record is held for too long. */
  :: d_step { MAY_ABANDON && TURN && TAKES_COMMITS && !isAbandoned && (lease[0] | lease[1]) -> abandon(); settle() }

  /* broker/rings/warden.ts Warden.look, broker/rings/ring-table.ts RingTable.open: idle, too large, too small. */
  :: d_step { MAY_RETIRE && TURN && segment == ACTIVE -> retire(); settle() }

#if FINE_SEMAPHORE
  /* shmring/core/ring.c ringbus_ring_post: adds, then looks at what the owner wants. */
  :: d_step { brokerUp && broker == POSTING ->
      printf("broker posts\n");
#ifdef POST_BEFORE_TAIL
      addToCount(TAKEN(leaving));
      leaving = 0;
      broker = MOVING
    }
  :: d_step { brokerUp && broker == MOVING ->
      printf("broker moves the tail\n");
      moveTail();
#else
      addToCount(due);
      due = 0;
#endif
      broker = CHECKING
    }
  :: d_step { brokerUp && broker == CHECKING && BROKER_FENCE ->
      printf("broker looks at want: %d\n", want);
      if
      :: want > 0 && want <= count + latePost -> wish = want; broker = WAKING
      :: else -> settle()
      fi
    }
  :: d_step { brokerUp && broker == WAKING ->
      if
      :: want == wish -> REACHED(space_sent); want = 0; tellOwner(SPACE)
      :: else -> REACHED(wish_changed)
      fi;
      wish = 0;
      settle()
    }
#endif

  /* broker/rings/ring-table.ts RingTable.open: the owner is offered the segment that it asked for. */
  :: d_step { TURN && segment == CREATED -> segment = OFFERED; tellOwner(SEGMENT) }
  /* broker/rings/ring-table.ts RingTable.grant */
  :: d_step { TURN && ownerFetch == ASKED ->
      printf("broker answers ATTACH of the owner\n");
      ownerFetch = (segment == OFFERED -> GRANTED : REFUSED)
    }

  /* broker/rings/segment.ts Segment.mapped, shmring/core/segment.c ringbus_segment_seal */
  :: d_step { TURN && toBroker?[MAPPED] && segment == OFFERED ->
      printf("broker reads MAPPED, and seals\n");
      toBroker?MAPPED, _;
      segment = ACTIVE;
      isSealed = true
    }
  :: d_step { TURN && toBroker?[MAPPED] && segment == OFFERED -> /* the kernel refuses the seal */
      printf("broker reads MAPPED, and the seal is refused\n");
      REACHED(seal_refused);
      toBroker?MAPPED, _;
      segment = ACTIVE;
      retire()
    }
  /* broker/rings/ring-table.ts RingTable.decline */
  :: d_step { TURN && toBroker?[DECLINE] -> toBroker?DECLINE, _; ownerGone() }

  /* broker/rings/ring-table.ts RingTable.retired, broker/rings/segment.ts Segment.retired */
  :: d_step { TURN && toBroker?[RETIRED] -> REACHED(retired); toBroker?RETIRED, _; ownerGone() }

  /* broker/rings/ring-table.ts RingTable.clientEnded: all that the owner sent is read. */
  :: d_step { TURN && isOwnerKnown && !ownerUp && empty(toBroker) -> isOwnerKnown = false; ownerGone() }

  /* kill -9 */
  :: d_step { brokerUp && !calm ->
      printf("broker is killed\n");
      brokerEnds()
    }
  od
}
