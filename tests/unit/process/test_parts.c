#include "process/ask.h"
#include "process/machine.h"
#include "process/notify.h"
#include "process/shared.h"
#include "process/sockets.h"
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

static void an_address_is_suspected_only_while_it_is_named(void **state)
{
	static struct suspect s;
	static struct blame blame;
	static struct barred bars;
	struct in6_addr a = address(1), b = address(2);

	(void)state;
	assert_false(blame_crash(&blame, &s, &bars, 1));
	suspect_name(&s, &a);
	suspect_name(&s, NULL);
	assert_false(blame_crash(&blame, &s, &bars, 2));
	suspect_name(&s, &a);
	suspect_name(&s, &b);
	assert_false(blame_crash(&blame, &s, &bars, 3));
	assert_int_equal(blame.len, 1);
	suspect_name(&s, NULL);
	assert_false(blame_crash(&blame, &s, &bars, 4));
	suspect_name(&s, &b);
	assert_true(blame_crash(&blame, &s, &bars, 5));
	assert_false(barred_has(&bars, &a, 6));
	assert_true(barred_has(&bars, &b, 6));
}

static void an_ipv6_address_stands_for_its_64_and_an_ipv4_one_for_itself(void **state)
{
	static struct suspect s;
	static struct blame blame;
	static struct barred bars;
	struct in6_addr six = address(1), beside = six;
	struct in6_addr four = { .s6_addr = { [10] = 0xff, [11] = 0xff, [12] = 192 } };

	(void)state;
	beside.s6_addr[15] = 9;
	suspect_name(&s, &six);
	assert_false(blame_crash(&blame, &s, &bars, 1));
	suspect_name(&s, &beside);
	assert_true(blame_crash(&blame, &s, &bars, 2));
	assert_true(barred_has(&bars, &six, 3) && barred_has(&bars, &beside, 3));
	suspect_name(&s, &four);
	assert_false(blame_crash(&blame, &s, &bars, 3));
	assert_true(blame_crash(&blame, &s, &bars, 4));
	assert_true(barred_has(&bars, &four, 5));
	four.s6_addr[15] = 1;
	assert_false(barred_has(&bars, &four, 5));
}

static void only_an_address_of_two_crashes_is_barred(void **state)
{
	static struct suspect s;
	static struct blame blame;
	static struct barred bars;
	struct in6_addr a = address(1), b = address(2);

	(void)state;
	assert_false(barred_has(&bars, &b, 0));
	suspect_name(&s, &a);
	assert_false(blame_crash(&blame, &s, &bars, NS_PER_S));
	suspect_name(&s, &b);
	assert_false(blame_crash(&blame, &s, &bars, NS_PER_S));
	assert_true(blame_crash(&blame, &s, &bars, 2 * NS_PER_S));
	assert_true(barred_has(&bars, &b, 3 * NS_PER_S));
	assert_false(barred_has(&bars, &a, 3 * NS_PER_S));
	assert_false(barred_has(&bars, &b, 2 * NS_PER_S + BLAME_NS));
	/* an old crash is forgotten */
	suspect_name(&s, &a);
	assert_false(blame_crash(&blame, &s, &bars, 3 * BLAME_NS));
}

static void two_crashes_found_at_the_same_moment_are_two(void **state)
{
	static struct suspect first, second;
	static struct blame blame;
	static struct barred bars;
	struct in6_addr a = address(1);

	(void)state;
	suspect_name(&first, &a);
	suspect_name(&second, &a);
	assert_false(blame_crash(&blame, &first, &bars, NS_PER_S));
	assert_true(blame_crash(&blame, &second, &bars, NS_PER_S));
}

static void full_tables_stay_bounded(void **state)
{
	static struct suspect s;
	static struct blame blame;
	static struct barred bars;

	(void)state;
	for (unsigned n = 0; n < 3 * BLAMED_MAX; n++) {
		struct in6_addr a = address(n);
		suspect_name(&s, &a);
		assert_false(blame_crash(&blame, &s, &bars, 1));
	}
	assert_int_equal(blame.len, BLAMED_MAX);
	for (unsigned n = 2 * BLAMED_MAX; n < 3 * BLAMED_MAX; n++) { /* those that were not forgotten */
		struct in6_addr a = address(n);
		suspect_name(&s, &a);
		assert_true(blame_crash(&blame, &s, &bars, 2));
	}
	assert_int_equal(atomic_load(&bars.len), BARRED_MAX);
}

static void a_question_survives_the_ring(void **state)
{
	void *memory = aligned_alloc(64, ring_memory(4096));
	char room[ASK_MAX], longer[ASK_MAX];
	struct ask ask;

	(void)state;
	memset(memory, 0, ring_memory(4096));
	struct ring *r = ring_init(memory, 4096);
	assert_true(ask_put(r, &(struct ask){ ASK_KEY, S("auth0"), S("kid-1"), 77 }));
	assert_true(ask_put(r, &(struct ask){ ASK_TOKEN, S(""), S("opaque"), 0 }));
	memset(longer, 'x', sizeof longer);
	assert_false(ask_put(r, &(struct ask){ ASK_TOKEN, S("auth0"), { longer, sizeof longer }, 1 }));
	ring_put(r, S("junk"));
	ring_put(r, S("12345678\377\377\377\377\0\0\0\0xxxxx"));
	ring_put(r, S("12345678\0\0\0\0\377\0\0\0xxxxx"));
	assert_true(ask_take(r, room, &ask));
	assert_true(slice_same(ask.issuer, S("auth0")) && slice_same(ask.what, S("kid-1")));
	assert_int_equal(ask.kind, ASK_KEY);
	assert_int_equal(ask.token_iat_s, 77);
	assert_true(ask_take(r, room, &ask));
	assert_true(ask.issuer.len == 0 && slice_same(ask.what, S("opaque")) && ask.kind == ASK_TOKEN);
	assert_false(ask_take(r, room, &ask));
	free(memory);
}

static void what_is_published_cannot_be_made_writable_by_a_reader(void **state)
{
	const struct shared_sizes sizes = { 4, 100000, 1024 };
	struct shared s;
	int status;

	(void)state;
	assert_true(shared_open(&s, &sizes));
	assert_int_equal(s.log_ring, 131072); /* the next power of two */
	pid_t reader = fork();
	if (reader == 0) {
		bool mapped = shared_publish(&s, false);
		bool refused = mprotect(s.published, 4096, PROT_READ | PROT_WRITE) != 0;
		_exit(mapped && s.published_write < 0 && refused ? 0 : 1);
	}
	waitpid(reader, &status, 0);
	assert_int_equal(status, 0);
	assert_true(shared_publish(&s, true));
	atomic_store(&s.published->tickets_made_s, 1);
	shared_close(&s);
}

static void seats_of_a_role_run_out(void **state)
{
	const struct shared_sizes sizes = { 4, 65536, 1024 };
	struct shared s;

	(void)state;
	assert_true(shared_open(&s, &sizes));
	for (unsigned i = 0; i < GENERATIONS_MAX * 4; i++) {
		int seat = shared_seat(&s, ROLE_WORKER);
		assert_int_equal(seat, SEAT_WORKERS + (int)i);
		atomic_store(&s.seats[seat].state, SEAT_STARTING);
	}
	assert_int_equal(shared_seat(&s, ROLE_WORKER), -1);
	assert_int_equal(shared_seat(&s, ROLE_WRITER), SEAT_WRITER);
	assert_int_equal(shared_seat(&s, ROLE_KEEPER), SEAT_KEEPERS);
	assert_ptr_not_equal(shared_access(&s, 4), shared_access(&s, 5));
	char *end = (char *)shared_suspect(&s, s.seats_len - 1) + sizeof(struct suspect);
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
		cmocka_unit_test(what_is_published_cannot_be_made_writable_by_a_reader),
		cmocka_unit_test(seats_of_a_role_run_out),
		cmocka_unit_test(sockets_are_bound_all_or_none),
		cmocka_unit_test(the_machine_keeps_its_secret_and_distrusts_an_open_one),
		cmocka_unit_test(the_floor_lies_beside_the_secret_and_outlives_its_opener),
		cmocka_unit_test(the_service_manager_is_told_at_an_abstract_socket_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
