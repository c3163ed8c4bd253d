/* memory.h -- the memory that all processes of one Sallyport share, laid out once by the supervisor
 * before it forks: the tables of tables.def. Part of shared's door.
 *
 * * Each table is a memory file of its own, mapped writable by those who write it. To the others it is
 * mapped from a descriptor that was opened for reading, so that not even mprotect makes it writable, or not
 * at all. A seat belongs to one live process at a time; what lies in it outlives the process. Words are
 * atomics, each valid by itself; what has several words has one writer. */
#pragma once
#include "base/flip.h"
#include "base/ring.h"
#include "forward/forward.h"
#include "guard/guard.h"
#include "limit/limit.h"
#include "login/login.h"
#include "metrics/metrics.h"
#include "published/published.h"
#include "redis/redis.h"
#include "shared/suspects.h"
#include "shared/tables.h"

enum { SLOTS_MAX = 128, SEAT_SUPERVISOR = 0, SEAT_WRITER = 1, SEAT_KEEPERS = 2, SEAT_WORKERS = 4 };
enum { GONE_MAX = 256 };
enum { GENERATIONS_MAX = 3 }; /* alive at once: one in force and two that drain */
enum { SEATS_MAX = SEAT_WORKERS + GENERATIONS_MAX * SLOTS_MAX };

enum role { ROLE_NONE, ROLE_SUPERVISOR, ROLE_WRITER, ROLE_KEEPER, ROLE_WORKER };
/* What a process says of itself ... */
enum seat_state { SEAT_FREE, SEAT_STARTING, SEAT_LOADED, SEAT_SERVING, SEAT_DRAINING, SEAT_DRAINED };
/* ... and what the supervisor wants of it: never takes an order back. */
enum order { ORDER_WAIT, ORDER_SERVE, ORDER_DRAIN, ORDER_STOP };
enum cause { CAUSE_START, CAUSE_COMMAND, CAUSE_SIGNAL }; /* of a configuration */
enum phase { PHASE_STARTING, PHASE_SERVING, PHASE_LEAVING, PHASE_DRAINING };

struct seat { /* what the supervisor says of it */
	_Alignas(64) _Atomic int32_t pid;
	_Atomic uint32_t role, slot, generation;
	_Atomic uint32_t taken; /* 0: it is free */
	_Atomic uint32_t order;
	_Atomic uint64_t since_ns; /* monotonic, when its process was started */
};

struct reported {           /* what its process says */
	_Atomic uint32_t state; /* enum seat_state; the supervisor sets FREE and STARTING */
	_Atomic uint64_t beats; /* turns of its loop */
};

struct wishes {
	_Atomic uint64_t reloads_asked; /* counted up by the keeper; the supervisor takes them */
	_Atomic uint64_t asked_by;      /* enum cause << 32 | user id: of the last reload asked for */
};

struct outcome { /* of the last reload; one writer, two copies */
	uint64_t number, wall_ns;
	uint32_t generation; /* in force afterwards */
	uint32_t status;     /* exit status for whoever asked: 0 applied, 78 refused, 1 failed */
	uint32_t len;
	char text[16384];
};

struct shared_head {
	_Atomic uint32_t phase, generation, workers;
	_Atomic uint32_t reload_running;
	_Atomic uint64_t started_wall_ns;
	_Atomic uint64_t in_force_by, in_force_ns; /* as wishes.asked_by; since when, wall clock */
	_Atomic uint64_t reloads_done;             /* number of the last outcome, at outcomes[flip_at(number)] */
	_Atomic uint64_t restarts;
	_Atomic uint64_t slots_version;       /* moves with adopters */
	_Atomic uint32_t adopters[SLOTS_MAX]; /* slot whose worker accepts on this slot's sockets */
	_Atomic uint32_t gone[GONE_MAX];      /* listeners of who drains now whose address is no more */
	struct outcome outcomes[2];
	struct blocked barred;
};

struct published {
	_Atomic uint64_t tickets_made_s; /* wall clock; 0: never */
	struct ticket_keys tickets;
	struct forward_published endpoints;
	struct redis_published redis;
	struct limit_resets resets;
	_Alignas(64) char keys[]; /* struct published_issuers */
};

struct shared { /* one process's view, private; inherited by fork */
	struct shared_head *head;
	struct seat *seats;
	unsigned seats_len, slots; /* slots: most workers of one generation */
	char *memory, *first_seat;
	size_t memory_len, log_ring, seat_stride, seat_len, seat_at[SEAT_PARTS];
	struct part part[PARTS_MAX];
	unsigned parts_len;
	struct wishes *wishes;
	struct buckets *limits;
	struct exchanges *exchanges;
	struct logins *logins;
	struct guard_table *guard;
	struct published *published;
	int notify_fd;             /* eventfd: the supervisor is wanted */
	int keeper_notify_fd;      /* eventfd: the keeper is wanted */
	int notify_fds[SEATS_MAX]; /* eventfd of each seat: its process is wanted */
};

/* What of the configuration decides the layout; it cannot change while running. */
struct shared_sizes {
	unsigned slots;
	uint64_t log_ring, table_size, guard_places;
};

/* False: errno says why. */
bool shared_open(struct shared *s, const struct shared_sizes *sizes);
void shared_close(struct shared *s);

/* What this role and seat write stays writable, what they read becomes readable only, all else is unmapped;
 * no descriptor of it is left. ROLE_NONE: nothing is left. False: errno says why, the process must end. */
bool shared_narrow(struct shared *s, enum role role, unsigned seat) __attribute__((warn_unused_result));
const struct published_issuers *shared_keys(const struct shared *s);

void shared_notify(int eventfd);
void shared_drain(int eventfd); /* takes all rings so far */
