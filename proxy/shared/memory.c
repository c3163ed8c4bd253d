/* Lays the shared memory out and narrows it for each process. */
#include "base/check.h"
#include "shared/memory_map.h"
#include "shared/seats.h"
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MESSAGES_SIZE ((size_t)64 * 1024)
#define ASKS_SIZE ((size_t)256 * 1024)

static size_t power_of_two(size_t at_least)
{
	size_t n = MAP_PAGE;

	while (n < at_least)
		n *= 2;
	return n;
}

static char *seat_part(const struct shared *s, unsigned seat, enum seat_part part)
{
	check(seat < s->seats_len);
	return s->first_seat + seat * s->seat_stride + s->seat_at[part];
}

struct reported *shared_reported(const struct shared *s, unsigned seat)
{
	return (struct reported *)(void *)seat_part(s, seat, SEAT_PART_said);
}

struct ring shared_access(const struct shared *s, unsigned seat)
{
	return ring_at(seat_part(s, seat, SEAT_PART_access), s->log_ring);
}

bool shared_log(const struct shared *s, unsigned seat, struct slice line, bool valued)
{
	struct ring r = shared_access(s, seat);
	uint64_t held = ring_held(r), quarter = r.size / 4;

	if ((!valued && held + line.len > r.size / 2) || !ring_add(r, line)) {
		metrics_count(METRIC_log_dropped_total);
		return false;
	}
	if (held < quarter && held + line.len >= quarter)
		shared_notify(s->notify_fds[SEAT_WRITER]);
	return true;
}

struct ring shared_messages(const struct shared *s, unsigned seat)
{
	return ring_at(seat_part(s, seat, SEAT_PART_messages), MESSAGES_SIZE);
}

struct ring shared_asks(const struct shared *s, unsigned seat)
{
	return ring_at(seat_part(s, seat, SEAT_PART_asks), ASKS_SIZE);
}

struct suspect *shared_suspect(const struct shared *s, unsigned seat)
{
	return (struct suspect *)(void *)seat_part(s, seat, SEAT_PART_suspect);
}

struct limit_hot *shared_hot(const struct shared *s, unsigned seat)
{
	return (struct limit_hot *)(void *)seat_part(s, seat, SEAT_PART_hot);
}

/* ---- the list ---- */

enum {
	SUPERVISOR = 1 << ROLE_SUPERVISOR,
	WRITER = 1 << ROLE_WRITER,
	KEEPER = 1 << ROLE_KEEPER,
	WORKER = 1 << ROLE_WORKER,
	EVERYBODY = SUPERVISOR | WRITER | KEEPER | WORKER
};
enum {
#define TABLE(name, writers, readers, head, bytes) TABLE_##name,
#define SEAT(name, bytes)
#include "shared/tables.def"
#undef TABLE
#undef SEAT
	TABLES
};

static bool map_tables(struct shared *s, const struct shared_sizes *sizes, char *place[static TABLES])
{
	const struct map_row row[TABLES] = {
#define TABLE(name, writers, readers, head, bytes) { #name, writers, readers, head, bytes },
#define SEAT(name, bytes)
#include "shared/tables.def"
#undef TABLE
#undef SEAT
	};
	const size_t seat[SEAT_PARTS] = {
#define TABLE(name, writers, readers, head, bytes)
#define SEAT(name, bytes) bytes,
#include "shared/tables.def"
#undef TABLE
#undef SEAT
	};
	return map_all(s, row, TABLES, seat, place);
}

static bool lay_out(struct shared *s, const struct shared_sizes *sizes)
{
	char *place[TABLES];

	s->log_ring = power_of_two((size_t)sizes->log_ring);
	if (!map_tables(s, sizes, place))
		return false;
	s->head = (void *)place[TABLE_orders];
	s->seats = (void *)place[TABLE_seats];
	s->wishes = (void *)place[TABLE_wishes];
	s->published = (void *)place[TABLE_published];
	check(metrics_attach(place[TABLE_metrics], s->seats_len));
	check(published_attach(s->published->keys) != NULL);
	s->exchanges = exchanges_attach(place[TABLE_exchanges]);
	s->logins = logins_attach(place[TABLE_logins]);
	s->guard = guard_attach(place[TABLE_guard], sizes->guard_places);
	s->limits = buckets_attach(place[TABLE_limits], sizes->table_size);
	return s->limits && s->guard;
}

static bool open_bells(struct shared *s)
{
	s->notify_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	s->keeper_notify_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	bool ok = s->notify_fd >= 0 && s->keeper_notify_fd >= 0;
	for (unsigned i = 0; i < s->seats_len && ok; i++) {
		s->notify_fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		ok = s->notify_fds[i] >= 0;
	}
	return ok;
}

bool shared_open(struct shared *s, const struct shared_sizes *sizes)
{
	memset(s, 0, sizeof *s);
	s->notify_fd = s->keeper_notify_fd = -1;
	for (unsigned i = 0; i < SEATS_MAX; i++)
		s->notify_fds[i] = -1;
	check(sizes->slots > 0 && sizes->slots <= SLOTS_MAX);
	s->slots = sizes->slots;
	s->seats_len = SEAT_WORKERS + GENERATIONS_MAX * sizes->slots;
	if (lay_out(s, sizes) && open_bells(s)) {
		for (unsigned i = 0; i < SLOTS_MAX; i++)
			atomic_store(&s->head->adopters[i], i);
		return true;
	}
	int why = errno;
	shared_close(s);
	errno = why;
	return false;
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void shared_close(struct shared *s)
{
	map_end(s);
	close_one(&s->notify_fd);
	close_one(&s->keeper_notify_fd);
	for (unsigned i = 0; i < SEATS_MAX; i++)
		close_one(&s->notify_fds[i]);
}

bool shared_narrow(struct shared *s, enum role role, unsigned seat)
{
	bool every_seat = role == ROLE_WRITER || role == ROLE_KEEPER;

	if (role == ROLE_NONE) {
		metrics_detach();
		map_end(s);
		return true;
	}
	return map_narrow(s, 1u << role, every_seat ? MAP_EVERY_SEAT : seat);
}

const struct published_issuers *shared_keys(const struct shared *s)
{
	return published_attach(s->published->keys);
}

int shared_seat(const struct shared *s, enum role role)
{
	unsigned from = role == ROLE_WORKER ? SEAT_WORKERS : role == ROLE_KEEPER ? SEAT_KEEPERS : SEAT_WRITER;
	unsigned to = role == ROLE_WORKER ? s->seats_len : role == ROLE_KEEPER ? SEAT_WORKERS : SEAT_KEEPERS;

	for (unsigned i = from; i < to; i++)
		if (!atomic_load(&s->seats[i].taken))
			return (int)i;
	return -1;
}

void shared_report(struct shared *s, unsigned seat, enum seat_state state)
{
	atomic_store_explicit(&shared_reported(s, seat)->state, state, memory_order_release);
	shared_notify(s->notify_fd);
}

void shared_notify(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof one) < 0)
		return; /* its counter is full: it is ringing already */
}

void shared_drain(int fd)
{
	uint64_t rings;

	if (read(fd, &rings, sizeof rings) < 0)
		return; /* nobody rang */
}
