/* The configurations, the frames, who is there, and what the kernel does when somebody ends. */

/*
 * One source, three configurations: each sets other parts of the protocol at liberty. README.md has the table.
 * Without a size of its own the whole would have too many states to be searched to the end.
 */
#if defined(RING)
#define SUBSCRIBERS 2
#define RECORDS 3
#define GRANULES_MIN 1
#define GRANULES_MAX 4
#define STARTS_ANYWHERE 1
#define FINE_SEMAPHORE 1
#define MAY_ABORT 1
#define STARTS_ACTIVE 1
#define MAY_COPY_OUT 0
#define MAY_DROP 0
#define MAY_STOP 0
#define MAY_EVICT 0
#define MAY_ABANDON 0
#define MAY_RETIRE 0
#elif defined(LEASES)
#define SUBSCRIBERS 2
#define RECORDS 3
#define GRANULES_MIN 2
#define GRANULES_MAX 2
#define STARTS_ANYWHERE 0
#define FINE_SEMAPHORE 0
#define MAY_ABORT 0
#define STARTS_ACTIVE 1
#define MAY_COPY_OUT 1
#define MAY_DROP 1
#define MAY_STOP 1
#define MAY_EVICT 1
#define MAY_ABANDON 1
#define MAY_RETIRE 0
#elif defined(LIFE)
#define SUBSCRIBERS 2
#define RECORDS 2
#define GRANULES_MIN 2
#define GRANULES_MAX 3
#define STARTS_ANYWHERE 0
#define FINE_SEMAPHORE 0
#define MAY_ABORT 1
#define STARTS_ACTIVE 0
#define MAY_COPY_OUT 0
#define MAY_DROP 0
#define MAY_STOP 1
#define MAY_EVICT 0
#define MAY_ABANDON 1
#define MAY_RETIRE 1
#else
#error define one of RING, LEASES, LIFE
#endif

/* Granules of the ring. */
#define C 4

/* RELEASE names a record by its position modulo this: 2^32 in the code, so small here that names recur. */
#define NAMES 8

/* Sets of records are bit masks. Records are numbered in the order of their claims. */
#define BIT(r) (1 << (r))
#define HAS(set, r) (((set) >> (r)) & 1)

mtype = {
  /* frames */
  MESSAGE, INLINE, SEGMENT, MAPPED, DECLINE, COMMIT, ABORT, RELEASE, SPACE, RETIRE, RETIRED, DETACH, DETACHED,
  /* a second connection, which fetches the descriptor */
  UNASKED, ASKED, GRANTED, REFUSED,
  /* the publisher: between its calls of the ring, or within one */
  AT_REST, WISHING, LOOKING, WAITING,
  /* the broker: between its turns, or at the end of one */
  LISTENING, POSTING, MOVING, CHECKING, WAKING,
  /* the broker's segment */
  CREATED, OFFERED, ACTIVE, RETIRING, DRAINING, CLOSED, FREED,
  /* the broker's attachment of a subscriber */
  NONE, ATTACHING, ATTACHED, DECLINED, DETACHING, GONE,
  /* the broker's connection to a subscriber */
  OPEN, HALF_CLOSED, ENDED
};

/*
 * The streams: in order, and reliable as long as the reading side lives. Two kinds of frames are kept as sets, since
 * nobody can tell the difference: messages for a subscriber, which it has (`readable`) once they are written, and its
 * RELEASEs (`returned`).
 */
chan toBroker = [4] of { mtype, byte };
chan toOwner = [4] of { mtype };
chan toReader[2] = [2] of { mtype };
chan fromReader[2] = [2] of { mtype };

/* Whether the process lives and has not closed its side of the stream. */
bool brokerUp = true;
bool ownerUp = true;
bool readerUp[2] = true;

/* A stopped subscriber (SIGSTOP, a debugger): it takes no step, and keeps what it has. */
bool stopped[2];

/* From some moment on nobody is killed or stopped any more, so that whoever waits for ever then is seen to. */
bool calm;

/* Ground truth about the segment: who has it open or mapped, and whether nobody else can map it for writing. */
bool brokerHasSegment = true;
bool ownerHasMap = STARTS_ACTIVE;
bool readerHasMap[2] = STARTS_ACTIVE;
bool isSealed = STARTS_ACTIVE;
mtype ownerFetch = UNASKED;
mtype readerFetch[2] = UNASKED;

/* Where the owner's next claim begins. */
byte head = C;

/* Ground truth about records: what their owner claimed. `taken` is what it took from the semaphore. */
byte position[RECORDS];
byte granules[RECORDS];
byte padding[RECORDS];
byte taken[RECORDS];
/* The granules of the segment that the record may lie in, as a bit mask. */
byte cells[RECORDS];
/* Claims that began the ring anew. */
byte restarted;
/* Claims that are open, and those whose COMMIT or ABORT the broker has not read. */
byte claims;
byte undelivered;
/* Records in the memory of which a subscriber may read: sent to it, and not given back. */
byte readable[2];
/* Names in RELEASEs that the broker has not read. */
byte returned[2];

/* Memory for the computing within one step. */
hidden byte each, other, heard, offset, room, gap, need, first, last, bound, fallen, isAnew, isFound;

#if RECORDS == 3
#define TAKEN(set) (HAS(set, 0) * taken[0] + HAS(set, 1) * taken[1] + HAS(set, 2) * taken[2])
#define CLASH(set) (CLASH_OF(set, 0, 1) || CLASH_OF(set, 0, 2) || CLASH_OF(set, 1, 2))
#else
#define TAKEN(set) (HAS(set, 0) * taken[0] + HAS(set, 1) * taken[1])
#define CLASH(set) CLASH_OF(set, 0, 1)
#endif
#define CLASH_OF(set, a, b) (HAS(set, a) && HAS(set, b) && (cells[a] & cells[b]))

c_decl {
/* Prints a line the first time: what a search reached, and what it found violated. */
static void tell(const char *what, const char *name) {
  static const char *told[64];
  for (int i = 0; i < 64; i++) {
    if (told[i] == name) return;
    if (told[i] != 0) continue;
    told[i] = name;
    printf("%s: %s\n", what, name);
    return;
  }
}
}

/* Marks what the model is about: the runner wants every mark reached. */
#define REACHED(name) c_code { tell("reached", #name); }

#define REQUIRE(name, condition) \
  if \
  :: (condition) \
  :: else -> c_code { tell("violated", #name); }; assert(false) \
  fi

inline ownerEnds() {
  do :: nempty(toOwner) -> toOwner?_ :: empty(toOwner) -> break od;
  ownerUp = false;
  ownerHasMap = false;
  ownerFetch = UNASKED;
  claims = 0
}

inline readerEnds(s) {
  do :: nempty(toReader[s]) -> toReader[s]?_ :: empty(toReader[s]) -> break od;
  readerUp[s] = false;
  stopped[s] = false;
  readable[s] = 0;
  readerHasMap[s] = false;
  readerFetch[s] = UNASKED
}
