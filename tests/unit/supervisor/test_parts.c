#include "shared/keeper_queue.h"
#include "shared/shared.h"
#include "shared/sockets.h"
#include "statedir/machine.h"
#include "supervisor/notify.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static struct in6_addr address(unsigned n)
{
	struct in6_addr a = { 0 };

	memcpy(&a.s6_addr[4], &n, sizeof n);
	return a;
}

static struct in6_addr whom;

static void an_address_is_suspected_only_while_it_is_named(void **state)
{
	static struct suspect s;
	static struct crashes crashes;
	static struct blocked bars;
	struct in6_addr a = address(1), b = address(2);

	(void)state;
	assert_false(crashes_attribute(&crashes, &s, &bars, 1, &whom));
	suspect_name(&s, &a);
	suspect_name(&s, NULL);
	assert_false(crashes_attribute(&crashes, &s, &bars, 2, &whom));
	suspect_name(&s, &a);
	suspect_name(&s, &b);
	assert_false(crashes_attribute(&crashes, &s, &bars, 3, &whom));
	assert_int_equal(crashes.len, 1);
	suspect_name(&s, NULL);
	assert_false(crashes_attribute(&crashes, &s, &bars, 4, &whom));
	suspect_name(&s, &b);
	assert_true(crashes_attribute(&crashes, &s, &bars, 5, &whom));
	assert_false(blocked_has(&bars, &a, 6));
	assert_true(blocked_has(&bars, &b, 6));
}

static void an_ipv6_address_stands_for_its_64_and_an_ipv4_one_for_itself(void **state)
{
	static struct suspect s;
	static struct crashes crashes;
	static struct blocked bars;
	struct in6_addr six = address(1), beside = six;
	struct in6_addr four = { .s6_addr = { [10] = 0xff, [11] = 0xff, [12] = 192 } };

	(void)state;
	beside.s6_addr[15] = 9;
	suspect_name(&s, &six);
	assert_false(crashes_attribute(&crashes, &s, &bars, 1, &whom));
	suspect_name(&s, &beside);
	assert_true(crashes_attribute(&crashes, &s, &bars, 2, &whom));
	assert_true(blocked_has(&bars, &six, 3) && blocked_has(&bars, &beside, 3));
	suspect_name(&s, &four);
	assert_false(crashes_attribute(&crashes, &s, &bars, 3, &whom));
	assert_true(crashes_attribute(&crashes, &s, &bars, 4, &whom));
	assert_true(blocked_has(&bars, &four, 5));
	four.s6_addr[15] = 1;
	assert_false(blocked_has(&bars, &four, 5));
}

static void only_an_address_of_two_crashes_is_barred(void **state)
{
	static struct suspect s;
	static struct crashes crashes;
	static struct blocked bars;
	struct in6_addr a = address(1), b = address(2);

	(void)state;
	assert_false(blocked_has(&bars, &b, 0));
	suspect_name(&s, &a);
	assert_false(crashes_attribute(&crashes, &s, &bars, NS_PER_S, &whom));
	suspect_name(&s, &b);
	assert_false(crashes_attribute(&crashes, &s, &bars, NS_PER_S, &whom));
	assert_true(crashes_attribute(&crashes, &s, &bars, 2 * NS_PER_S, &whom));
	assert_true(blocked_has(&bars, &b, 3 * NS_PER_S));
	assert_false(blocked_has(&bars, &a, 3 * NS_PER_S));
	assert_false(blocked_has(&bars, &b, 2 * NS_PER_S + CRASH_NS));
	/* an old crash is forgotten */
	suspect_name(&s, &a);
	assert_false(crashes_attribute(&crashes, &s, &bars, 3 * CRASH_NS, &whom));
}

static void two_crashes_found_at_the_same_moment_are_two(void **state)
{
	static struct suspect first, second;
	static struct crashes crashes;
	static struct blocked bars;
	struct in6_addr a = address(1);

	(void)state;
	suspect_name(&first, &a);
	suspect_name(&second, &a);
	assert_false(crashes_attribute(&crashes, &first, &bars, NS_PER_S, &whom));
	assert_true(crashes_attribute(&crashes, &second, &bars, NS_PER_S, &whom));
}

static void full_tables_stay_bounded(void **state)
{
	static struct suspect s;
	static struct crashes crashes;
	static struct blocked bars;

	(void)state;
	for (unsigned n = 0; n < 3 * CRASHES_MAX; n++) {
		struct in6_addr a = address(n);
		suspect_name(&s, &a);
		assert_false(crashes_attribute(&crashes, &s, &bars, 1, &whom));
	}
	assert_int_equal(crashes.len, CRASHES_MAX);
	for (unsigned n = 2 * CRASHES_MAX; n < 3 * CRASHES_MAX; n++) { /* those that were not forgotten */
		struct in6_addr a = address(n);
		suspect_name(&s, &a);
		assert_true(crashes_attribute(&crashes, &s, &bars, 2, &whom));
	}
	assert_int_equal(atomic_load(&bars.len), BLOCKED_MAX);
}

static void a_question_survives_the_ring(void **state)
{
	void *memory = aligned_alloc(64, ring_memory(4096));
	char room[ASK_MAX], longer[ASK_MAX];
	struct keeper_question ask;

	(void)state;
	memset(memory, 0, ring_memory(4096));
	struct ring r = ring_at(memory, 4096);
	assert_true(keeper_queue_put(r, &(struct keeper_question){ ASK_KEY, S("auth0"), S("kid-1"), 77 }));
	assert_true(keeper_queue_put(r, &(struct keeper_question){ ASK_TOKEN, S(""), S("opaque"), 0 }));
	memset(longer, 'x', sizeof longer);
	assert_false(keeper_queue_put(
	    r, &(struct keeper_question){ ASK_TOKEN, S("auth0"), { longer, sizeof longer }, 1 }));
	ring_put(r, S("junk"));
	ring_put(r, S("12345678\377\377\377\377\0\0\0\0xxxxx"));
	ring_put(r, S("12345678\0\0\0\0\377\0\0\0xxxxx"));
	assert_true(keeper_queue_take(r, room, &ask));
	assert_true(slice_same(ask.issuer, S("auth0")) && slice_same(ask.what, S("kid-1")));
	assert_int_equal(ask.kind, ASK_KEY);
	assert_int_equal(ask.token_iat_s, 77);
	assert_true(keeper_queue_take(r, room, &ask));
	assert_true(ask.issuer.len == 0 && slice_same(ask.what, S("opaque")) && ask.kind == ASK_TOKEN);
	assert_false(keeper_queue_take(r, room, &ask));
	free(memory);
}

enum {
	SUPERVISOR = 1 << ROLE_SUPERVISOR,
	WRITER = 1 << ROLE_WRITER,
	KEEPER = 1 << ROLE_KEEPER,
	WORKER = 1 << ROLE_WORKER,
	EVERYBODY = SUPERVISOR | WRITER | KEEPER | WORKER
};

struct row {
	const char *name;
	unsigned writers, readers;
	bool has_head;
};

static const struct row rows[] = {
#define TABLE(name, writers, readers, head, bytes) { #name, writers, readers, (head) > 0 },
#define SEAT(name, bytes)
#include "shared/tables.def"
#undef TABLE
#undef SEAT
};

/* How a file of shared memory is mapped here: its rights, or "" where it is not; and how often. */
static unsigned mapped_as(const char *name, char rights[8])
{
	char line[512], whole[64], found[8];
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned n = 0;

	snprintf(whole, sizeof whole, "/memfd:sallyport %s (deleted)\n", name);
	rights[0] = '\0';
	while (fgets(line, sizeof line, f)) {
		const char *at = strstr(line, "/memfd:sallyport ");
		if (!at || strcmp(at, whole) != 0)
			continue;
		assert_int_equal(sscanf(line, "%*s %7s", found), 1);
		assert_true(n == 0 || strcmp(found, rights) == 0);
		memcpy(rights, found, sizeof found);
		n++;
	}
	fclose(f);
	return n;
}

static bool is_mapped(const char *name, const char *rights, unsigned times)
{
	char is[8];
	unsigned n = mapped_as(name, is);

	if (n == times && strcmp(is, rights) == 0)
		return true;
	fprintf(stderr, "%s: %u times as \"%s\"\n", name, n, is);
	return false;
}

/* The whole of it, as the list says. */
static bool is_narrowed(enum role role, unsigned seats)
{
	bool ok = true;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *r = &rows[i];
		bool writes = r->writers >> role & 1, reads = r->readers >> role & 1;
		char head[48];
		snprintf(head, sizeof head, "%s head", r->name);
		ok &= is_mapped(r->name, writes ? "rw-s" : reads ? "r--s" : "", writes || reads);
		ok &= is_mapped(head, r->has_head && reads ? "r--s" : "", r->has_head && reads);
	}
	return ok & is_mapped("seat", "rw-s", seats);
}

/* What was opened for reading stays that. */
static bool is_for_ever(const struct shared *s, enum role role)
{
	bool ok = true;

	for (unsigned i = 0; i < s->parts_len; i++) {
		const struct part *p = &s->part[i];
		ok &= p->read_only < 0;
		if (!(p->writers >> role & 1) && p->readers >> role & 1)
			ok &= mprotect(p->at, p->len, PROT_READ | PROT_WRITE) != 0;
	}
	return ok;
}

static void every_process_maps_what_the_list_gives_it_and_no_more(void **state)
{
	const struct shared_sizes sizes = { 4, 100000, 1024, 1024 };
	struct shared s;
	int status;

	(void)state;
	assert_true(shared_open(&s, &sizes));
	assert_int_equal(s.log_ring, 131072); /* the next power of two */
	for (enum role role = ROLE_WRITER; role <= ROLE_WORKER; role++) {
		unsigned seat = role == ROLE_WRITER   ? SEAT_WRITER
		                : role == ROLE_KEEPER ? SEAT_KEEPERS
		                                      : SEAT_WORKERS + 1;
		pid_t child = fork();
		if (child == 0) {
			bool ok = shared_narrow(&s, role, seat) && is_for_ever(&s, role) &&
			          is_narrowed(role, role == ROLE_WORKER ? 1 : s.seats_len);
			atomic_store(&shared_reported(&s, seat)->beats, 1); /* its own is there */
			_exit(ok ? 0 : 1);
		}
		waitpid(child, &status, 0);
		assert_int_equal(status, 0);
		assert_int_equal(atomic_load(&shared_reported(&s, seat)->beats), 1);
	}
	pid_t stranger = fork();
	if (stranger == 0) {
		char rights[8];
		bool ok = shared_narrow(&s, ROLE_NONE, 0);
		for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
			ok &= mapped_as(rows[i].name, rights) == 0;
		_exit(ok && mapped_as("seat", rights) == 0 ? 0 : 1);
	}
	waitpid(stranger, &status, 0);
	assert_int_equal(status, 0);
	shared_close(&s);
}

/* As a worker gone mad leaves it. */
static void a_ring_of_nonsense_is_read_within_its_bounds(void **state)
{
	uint64_t words = 0x9e3779b97f4a7c15;
	char *memory = aligned_alloc(64, ring_memory(4096)), room[ASK_MAX];
	struct slice parts[2];
	struct keeper_question ask;

	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		for (size_t i = 0; i < ring_memory(4096); i += sizeof words) {
			words = words * 6364136223846793005u + 1442695040888963407u;
			uint64_t word = words >> (round % 5 * 13); /* small ones too */
			memcpy(memory + i, &word, sizeof word);
		}
		struct ring r = ring_at(memory, 4096);
		size_t len = ring_look(r, parts);
		assert_true(len <= 4096 && parts[0].len + parts[1].len == len);
		for (size_t i = 0; i < 2; i++)
			assert_true(parts[i].at >= r.at->data && parts[i].at + parts[i].len <= r.at->data + 4096);
		for (unsigned i = 0; i < 100 && keeper_queue_take(r, room, &ask); i++)
			assert_true(ask.issuer.len + ask.what.len <= ASK_MAX);
		ring_put(r, S("a record of somebody who means well"));
		ring_add(r, S("and a line"));
	}
	free(memory);
}

static void seats_of_a_role_run_out(void **state)
{
	const struct shared_sizes sizes = { 4, 65536, 1024, 1024 };
	struct shared s;

	(void)state;
	assert_true(shared_open(&s, &sizes));
	for (unsigned i = 0; i < GENERATIONS_MAX * 4; i++) {
		int seat = shared_seat(&s, ROLE_WORKER);
		assert_int_equal(seat, SEAT_WORKERS + (int)i);
		atomic_store(&s.seats[seat].taken, 1);
	}
	assert_int_equal(shared_seat(&s, ROLE_WORKER), -1);
	assert_int_equal(shared_seat(&s, ROLE_WRITER), SEAT_WRITER);
	assert_int_equal(shared_seat(&s, ROLE_KEEPER), SEAT_KEEPERS);
	assert_ptr_not_equal(shared_access(&s, 4).at, shared_access(&s, 5).at);
	char *end = (char *)shared_hot(&s, s.seats_len - 1) + limit_hot_memory();
	assert_true(end <= s.memory + s.memory_len);
	shared_close(&s);
}

static void sockets_are_bound_all_or_none(void **state)
{
	struct config_listener l[2] = { { .address = S("127.0.0.1:0") }, { .address = S("192.0.2.1:1") } };
	struct sockets s = { 0 };
	char why[256];

	(void)state;
	assert_true(sockets_bind(&s, l, 1, 3, why, sizeof why));
	assert_int_equal(s.len, 3);
	assert_int_equal(sockets_slots(&s), 3);
	assert_false(sockets_bind(&s, l, 2, 4, why, sizeof why)); /* an address that is not ours */
	assert_non_null(strstr(why, "192.0.2.1:1 cannot be bound"));
	assert_int_equal(s.len, 3);
	assert_true(sockets_find(&s, l[0].address, 2) >= 0);
	assert_int_equal(sockets_find(&s, l[0].address, 3), -1);
	sockets_trim(&s, l + 1, 1);
	assert_int_equal(s.len, 0);
	sockets_close(&s);
}

static void the_machine_keeps_its_secret_and_distrusts_an_open_one(void **state)
{
	unsigned char first[MACHINE_SECRET], again[MACHINE_SECRET];
	char dir[] = "/tmp/machine-XXXXXX", path[64], why[512];
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	setenv("XDG_STATE_HOME", dir, 1);
	assert_true(machine_secret(first, why, sizeof why));
	assert_true(machine_secret(again, why, sizeof why));
	assert_memory_equal(first, again, MACHINE_SECRET);
	snprintf(path, sizeof path, "%s/sallyport/machine.key", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	chmod(path, 0644);
	assert_false(machine_secret(again, why, sizeof why));
	assert_memory_not_equal(first, again, MACHINE_SECRET);
	assert_non_null(strstr(why, "machine.key"));
	unlink(path);
	snprintf(path, sizeof path, "%s/sallyport", dir);
	rmdir(path);
	rmdir(dir);
}

static void the_floor_lies_beside_the_secret_and_outlives_its_opener(void **state)
{
	char dir[] = "/tmp/machine-XXXXXX", path[64], read_back[4] = "";
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	setenv("XDG_STATE_HOME", dir, 1);
	snprintf(path, sizeof path, "%s/sallyport", dir);
	assert_int_equal(machine_floor(), -1); /* the secret's directory is not there yet */
	assert_int_equal(mkdir(path, 0700), 0);
	int fd = machine_floor();
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(pwrite(fd, "one", 3, 0), 3);
	close(fd);
	fd = machine_floor();
	assert_int_equal(pread(fd, read_back, 3, 0), 3);
	assert_string_equal(read_back, "one");
	fchmod(fd, 0644);
	close(fd);
	assert_int_equal(machine_floor(), -1);
	snprintf(path, sizeof path, "%s/sallyport/machine.floor", dir);
	unlink(path);
	snprintf(path, sizeof path, "%s/sallyport", dir);
	rmdir(path);
	rmdir(dir);
}

static void the_service_manager_is_told_at_an_abstract_socket_too(void **state)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char name[64], heard[128];
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	notify_say(S("READY=1")); /* nobody listens: nothing happens */
	int len = snprintf(name, sizeof name, "@sallyport-test-%d", (int)getpid());
	memcpy(at.sun_path + 1, name + 1, (size_t)len - 1);
	socklen_t at_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, at_len), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	notify_reloading();
	ssize_t n = recv(fd, heard, sizeof heard - 1, MSG_DONTWAIT);
	assert_true(n > 0);
	heard[n] = '\0';
	assert_int_equal(strncmp(heard, "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
	unsetenv("NOTIFY_SOCKET");
	setenv("WATCHDOG_USEC", "2000000", 1);
	assert_int_equal(notify_watchdog_ns(), NS_PER_S);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(notify_watchdog_ns(), 0);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_suspected_only_while_it_is_named),
		cmocka_unit_test(an_ipv6_address_stands_for_its_64_and_an_ipv4_one_for_itself),
		cmocka_unit_test(only_an_address_of_two_crashes_is_barred),
		cmocka_unit_test(two_crashes_found_at_the_same_moment_are_two),
		cmocka_unit_test(full_tables_stay_bounded),
		cmocka_unit_test(a_question_survives_the_ring),
		cmocka_unit_test(every_process_maps_what_the_list_gives_it_and_no_more),
		cmocka_unit_test(a_ring_of_nonsense_is_read_within_its_bounds),
		cmocka_unit_test(seats_of_a_role_run_out),
		cmocka_unit_test(sockets_are_bound_all_or_none),
		cmocka_unit_test(the_machine_keeps_its_secret_and_distrusts_an_open_one),
		cmocka_unit_test(the_floor_lies_beside_the_secret_and_outlives_its_opener),
		cmocka_unit_test(the_service_manager_is_told_at_an_abstract_socket_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
