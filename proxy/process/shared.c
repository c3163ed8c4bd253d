#include "process/shared.h"
#include "base/check.h"
#include "base/random.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define MESSAGES_SIZE ((size_t)64 * 1024)
#define ASKS_SIZE ((size_t)256 * 1024)

static size_t pages(size_t len)
{
	return (len + PAGE - 1) / PAGE * PAGE;
}

static size_t power_of_two(size_t at_least)
{
	size_t n = PAGE;

	while (n < at_least)
		n *= 2;
	return n;
}

/* A memory file that can neither shrink nor grow, so that no process can take pages from under another. */
static int memory_file(const char *name, size_t len)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	if (ftruncate(fd, (off_t)len) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0)
		return fd;
	int why = errno;
	close(fd);
	errno = why;
	return -1;
}

static size_t seat_stride(size_t log_ring)
{
	return pages(ring_memory(log_ring)) + pages(ring_memory(MESSAGES_SIZE)) + pages(ring_memory(ASKS_SIZE)) +
		pages(sizeof(struct suspect)) + pages(limit_hot_memory());
}

static char *seat_memory(const struct shared *s, unsigned seat)
{
	check(seat < s->seats_len);
	return s->rings + seat * s->ring_stride;
}

struct ring *shared_access(const struct shared *s, unsigned seat)
{
	return (struct ring *)(void *)seat_memory(s, seat);
}

bool shared_log(const struct shared *s, unsigned seat, struct slice line, bool valued)
{
	struct ring *r = shared_access(s, seat);
	uint64_t held = ring_held(r), quarter = r->size / 4;

	if ((!valued && held + line.len > r->size / 2) || !ring_add(r, line)) {
		metrics_count(METRIC_log_dropped_total);
		return false;
	}
	if (held < quarter && held + line.len >= quarter)
		shared_ring(s->pokes[SEAT_WRITER]);
	return true;
}

struct ring *shared_messages(const struct shared *s, unsigned seat)
{
	return (struct ring *)(void *)(seat_memory(s, seat) + pages(ring_memory(s->log_ring)));
}

struct ring *shared_asks(const struct shared *s, unsigned seat)
{
	return (struct ring *)(void *)((char *)shared_messages(s, seat) + pages(ring_memory(MESSAGES_SIZE)));
}

struct suspect *shared_suspect(const struct shared *s, unsigned seat)
{
	return (struct suspect *)(void *)((char *)shared_asks(s, seat) + pages(ring_memory(ASKS_SIZE)));
}

struct limit_hot *shared_hot(const struct shared *s, unsigned seat)
{
	return (struct limit_hot *)(void *)((char *)shared_suspect(s, seat) + pages(sizeof(struct suspect)));
}

/* Maps the first file and finds the places in it. */
static bool lay_out(struct shared *s, const struct shared_sizes *sizes)
{
	size_t seats_at = pages(sizeof *s->head);
	size_t metrics_at = seats_at + pages(s->seats_len * sizeof *s->seats);
	size_t limits_at = metrics_at + pages(metrics_memory(s->seats_len));
	size_t exchanges_at = limits_at + pages(limit_table_memory(sizes->table_size));
	size_t logins_at = exchanges_at + pages(exchanges_memory());
	size_t rings_at = logins_at + pages(logins_memory());

	s->log_ring = power_of_two((size_t)sizes->log_ring);
	s->ring_stride = seat_stride(s->log_ring);
	s->memory_len = rings_at + s->seats_len * s->ring_stride;
	int fd = memory_file("sallyport shared", s->memory_len);
	if (fd < 0)
		return false;
	void *memory = mmap(NULL, s->memory_len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (memory == MAP_FAILED)
		return false;
	s->memory = memory;
	s->head = memory;
	s->seats = (struct seat *)(void *)(s->memory + seats_at);
	s->rings = s->memory + rings_at;
	for (unsigned i = 0; i < s->seats_len; i++) {
		ring_init(shared_access(s, i), s->log_ring);
		ring_init(shared_messages(s, i), MESSAGES_SIZE);
		ring_init(shared_asks(s, i), ASKS_SIZE);
	}
	check(metrics_attach(s->memory + metrics_at, s->seats_len));
	s->exchanges = exchanges_attach(s->memory + exchanges_at);
	s->logins = logins_attach(s->memory + logins_at);
	s->limits = limit_table_attach(s->memory + limits_at, sizes->table_size);
	return s->limits != NULL;
}

/* The keys' part is laid out by its first attach, which must be able to write. */
static bool lay_out_published(const struct shared *s)
{
	void *memory = mmap(NULL, s->published_len, PROT_READ | PROT_WRITE, MAP_SHARED, s->published_write, 0);

	if (memory == MAP_FAILED)
		return false;
	bool ok = verify_published_attach(((struct published *)memory)->keys) != NULL;
	munmap(memory, s->published_len);
	return ok;
}

/* The second file, open for writing and, separately, for reading. */
static bool open_published(struct shared *s)
{
	char path[64];

	s->published_len = pages(sizeof(struct published) + verify_published_memory());
	s->published_write = memory_file("sallyport published", s->published_len);
	if (s->published_write < 0 || !lay_out_published(s))
		return false;
	snprintf(path, sizeof path, "/proc/self/fd/%d", s->published_write);
	s->published_read = open(path, O_RDONLY | O_CLOEXEC);
	return s->published_read >= 0;
}

static bool open_bells(struct shared *s)
{
	s->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	s->keeper_bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	bool ok = s->bell >= 0 && s->keeper_bell >= 0;
	for (unsigned i = 0; i < s->seats_len && ok; i++) {
		s->pokes[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		ok = s->pokes[i] >= 0;
	}
	return ok;
}

bool shared_open(struct shared *s, const struct shared_sizes *sizes)
{
	memset(s, 0, sizeof *s);
	s->published_write = s->published_read = s->bell = s->keeper_bell = -1;
	for (unsigned i = 0; i < SEATS_MAX; i++)
		s->pokes[i] = -1;
	check(sizes->slots > 0 && sizes->slots <= SLOTS_MAX);
	s->slots = sizes->slots;
	s->seats_len = SEAT_WORKERS + GENERATIONS_MAX * sizes->slots;
	if (lay_out(s, sizes) && open_published(s) && open_bells(s)) {
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
	if (s->published)
		munmap(s->published, s->published_len);
	if (s->memory)
		munmap(s->memory, s->memory_len);
	s->published = NULL;
	s->memory = NULL;
	close_one(&s->published_write);
	close_one(&s->published_read);
	close_one(&s->bell);
	close_one(&s->keeper_bell);
	for (unsigned i = 0; i < SEATS_MAX; i++)
		close_one(&s->pokes[i]);
}

bool shared_publish(struct shared *s, bool writable)
{
	int fd = writable ? s->published_write : s->published_read;
	int rights = writable ? PROT_READ | PROT_WRITE : PROT_READ;
	void *memory = mmap(NULL, s->published_len, rights, MAP_SHARED, fd, 0);

	close_one(&s->published_write);
	close_one(&s->published_read);
	if (memory == MAP_FAILED)
		return false;
	s->published = memory;
	return true;
}

const struct verify_published *shared_keys(const struct shared *s)
{
	return verify_published_attach(s->published->keys);
}

int shared_seat(const struct shared *s, enum role role)
{
	unsigned from = role == ROLE_WORKER ? SEAT_WORKERS : role == ROLE_KEEPER ? SEAT_KEEPERS : SEAT_WRITER;
	unsigned to = role == ROLE_WORKER ? s->seats_len : role == ROLE_KEEPER ? SEAT_WORKERS : SEAT_KEEPERS;

	for (unsigned i = from; i < to; i++)
		if (atomic_load(&s->seats[i].state) == SEAT_FREE)
			return (int)i;
	return -1;
}

void shared_say(struct shared *s, unsigned seat, enum seat_state state)
{
	atomic_store_explicit(&s->seats[seat].state, state, memory_order_release);
	shared_ring(s->bell);
}

void shared_ring(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof one) < 0)
		return; /* its counter is full: it is ringing already */
}

void shared_hush(int fd)
{
	uint64_t rings;

	if (read(fd, &rings, sizeof rings) < 0)
		return; /* nobody rang */
}
