/* A subscriber: holds records while its handlers read them, in any order, and gives each back once. */

#define READER_TURN(s) (readerUp[s] && !stopped[s])

#define GIVE_BACK(r) \
  :: d_step { /* client/rings/reader-segment.ts ReaderSegment.release: it was copied, or its view is gone */ \
      READER_TURN(me) && HAS(readable[me], r) -> \
      if :: readable[me] & (BIT(r) - 1) -> REACHED(released_out_of_order) :: else fi; \
      readable[me] = readable[me] & ~BIT(r); \
      returned[me] = returned[me] | BIT(position[r] % NAMES); \
      printf("subscriber %d sends RELEASE of record %d\n", me, r) \
    }

proctype Subscriber(bit me) {
end:
  do
  GIVE_BACK(0)
  GIVE_BACK(1)
#if RECORDS == 3
  GIVE_BACK(2)
#endif

  /* client/rings/reader-segments.ts ReaderSegments.offered: fetches the descriptor over a second connection. */
  :: d_step { READER_TURN(me) && toReader[me]?[SEGMENT] ->
      toReader[me]?SEGMENT;
      readerFetch[me] = ASKED;
      printf("subscriber %d asks for the descriptor\n", me)
    }
  /* client/rings/reader-segments.ts ReaderSegments.mapped */
  :: d_step { READER_TURN(me) && readerFetch[me] == GRANTED && nfull(fromReader[me]) ->
      readerFetch[me] = UNASKED;
      readerHasMap[me] = true;
      fromReader[me]!MAPPED;
      printf("subscriber %d sends MAPPED\n", me)
    }
  /* client/rings/reader-segments.ts ReaderSegments.decline */
  :: d_step { READER_TURN(me) && (readerFetch[me] == GRANTED || readerFetch[me] == REFUSED) && nfull(fromReader[me]) ->
      readerFetch[me] = UNASKED;
      fromReader[me]!DECLINE;
      printf("subscriber %d sends DECLINE\n", me)
    }

  /* client/rings/reader-segments.ts ReaderSegments.detach, client/rings/reader-segment.ts ReaderSegment.leave: no
   * view is left, since each had its lease. */
  :: d_step { READER_TURN(me) && toReader[me]?[DETACH] && readerFetch[me] == UNASKED && nfull(fromReader[me]) ->
      toReader[me]?DETACH;
      readerHasMap[me] = false;
      fromReader[me]!DETACHED;
      printf("subscriber %d sends DETACHED\n", me)
    }

  /* client/rings/reader-segments.ts ReaderSegments.connectionLost: views go first, then its own side is closed. */
  :: d_step { READER_TURN(me) && (!brokerUp || peer[me] != OPEN) && empty(toReader[me]) ->
      printf("subscriber %d sees that the broker hung up\n", me);
      readerEnds(me)
    }

  /* SIGSTOP. One of the two: they are alike. */
  :: d_step { MAY_STOP && me == 0 && READER_TURN(me) && !calm ->
      printf("subscriber %d is stopped\n", me);
      stopped[me] = true
    }

  /* kill -9 */
  :: d_step { readerUp[me] && !calm ->
      printf("subscriber %d is killed\n", me);
      readerEnds(me)
    }
  od
}
