#include "fixture.h"

static unsigned generation_of(const char *answer)
{
	return answer ? (unsigned)strtol(answer, NULL, 10) : 0;
}

static void a_killed_worker_is_replaced_and_nobody_is_refused(void **state)
{
	struct supervised *h = *state;

	for (int i = 0; i < 5; i++) {
		kill(supervised_worker(h, 0), SIGKILL);
		for (int n = 0; n < 10; n++)
			assert_non_null(supervised_ask(h->port, "hello"));
	}
	assert_true(atomic_load(&h->s.shared.head->restarts) >= 1);
	assert_int_equal(atomic_load(&h->s.shared.head->barred.len), 0); /* kill -9 is no crash of ours */
}

static bool is_barred(struct supervised *h)
{
	return atomic_load(&h->s.shared.head->barred.len) == 1;
}

static void two_crashes_with_the_same_address_in_flight_bar_it(void **state)
{
	struct supervised *h = *state;
	struct in6_addr address = { .s6_addr = { 1, 2, 3 } };

	assert_null(supervised_ask(h->port, "die"));
	assert_false(blocked_has(&h->s.shared.head->barred, &address, clock_ns()));
	assert_null(supervised_ask(h->port, "die"));
	assert_true(supervised_until(is_barred, h));
	assert_true(blocked_has(&h->s.shared.head->barred, &address, clock_ns()));
	assert_false(blocked_has(&h->s.shared.head->barred, &address, clock_ns() + CRASH_NS));
}

static bool is_restarted(struct supervised *h)
{
	return atomic_load(&h->s.shared.head->restarts) == 1;
}

static void a_worker_that_stands_still_is_aborted_and_replaced(void **state)
{
	struct supervised *h = *state;

	assert_null(supervised_ask(h->port, "freeze"));
	assert_true(supervised_until(is_restarted, h));
	for (int n = 0; n < 10; n++)
		assert_non_null(supervised_ask(h->port, "hello"));
}

static void reloads_fail_no_request(void **state)
{
	struct supervised *h = *state;
	pid_t client = fork();

	if (client == 0) {
		signal(SIGTERM, SIG_DFL);
		for (unsigned last = 0; last < 4;) {
			const char *answer = supervised_ask(h->port, "hello");
			if (!answer)
				_exit(1);
			last = generation_of(answer);
		}
		_exit(0);
	}
	for (unsigned n = 2; n <= 4; n++) {
		assert_int_equal(supervised_reload(h), 0);
		assert_int_equal(generation_of(supervised_ask(h->port, "hello")),
		                 n); /* the old ones accept no more */
	}
	int status;
	assert_int_equal(waitpid(client, &status, 0), client);
	assert_int_equal(status, 0);
}

static void a_bad_file_at_reload_changes_nothing_and_says_why(void **state)
{
	struct supervised *h = *state;
	char said[sizeof supervised_outcome(h)->text + 1] = "";

	supervised_write(h, "nonsense: 1", 2, h->port, 0);
	assert_int_equal(supervised_reload(h), 78);
	memcpy(said, supervised_outcome(h)->text, supervised_outcome(h)->len);
	assert_non_null(strstr(said, "c.yaml:7:"));
	assert_int_equal(generation_of(supervised_ask(h->port, "hello")), 1);
	supervised_write(h, "log: {ring: 128KiB}", 2, h->port, 0);
	assert_int_equal(supervised_reload(h), 78);
	memcpy(said, supervised_outcome(h)->text, supervised_outcome(h)->len);
	assert_non_null(strstr(said, "log.ring"));
}

static void workers_that_die_while_loading_leave_the_old_ones_in_place(void **state)
{
	struct supervised *h = *state;

	supervised_write(h, "log: {level: error}", 2, h->port, 0);
	assert_int_equal(supervised_reload(h), 1);
	assert_int_equal(generation_of(supervised_ask(h->port, "hello")), 1);
	supervised_write(h, "", 2, h->port, 0);
	assert_int_equal(supervised_reload(h), 0);
	assert_int_equal(generation_of(supervised_ask(h->port, "hello")), 2);
}

static bool is_other_refused(struct supervised *h)
{
	int fd = supervised_connect(h->other);

	if (fd >= 0)
		close(fd);
	return fd < 0;
}

static void a_new_address_is_served_and_a_removed_one_closed(void **state)
{
	struct supervised *h = *state;

	supervised_write(h, "", 2, h->port, h->other);
	assert_int_equal(supervised_reload(h), 0);
	for (int n = 0; n < 10; n++)
		assert_int_equal(generation_of(supervised_ask(h->other, "hello")), 2);
	supervised_write(h, "", 2, h->port, 0);
	assert_int_equal(supervised_reload(h), 0);
	assert_true(supervised_until(is_other_refused, h));
	assert_int_equal(generation_of(supervised_ask(h->port, "hello")), 3);
}

static void sockets_of_slots_without_a_worker_are_adopted(void **state)
{
	struct supervised *h = *state;

	supervised_write(h, "", 1, h->port, 0);
	assert_int_equal(supervised_reload(h), 0);
	for (int n = 0; n < 20; n++) {
		const char *answer = supervised_ask(h->port, "hello");
		assert_non_null(answer);
		assert_int_equal(strncmp(answer, "2.0 ", 4), 0);
	}
}

static void sigterm_accepts_for_the_delay_then_drains(void **state)
{
	struct supervised *h = *state;
	int fd = supervised_connect(h->port);
	char answer[64];

	send(fd, "slow", 4, 0);
	kill(h->pid, SIGTERM);
	usleep(20000);
	assert_int_equal(atomic_load(&h->s.shared.head->phase), PHASE_LEAVING);
	assert_non_null(supervised_ask(h->port, "hello"));
	assert_true(recv(fd, answer, sizeof answer, 0) > 0);
	close(fd);
	assert_int_equal(supervised_status(h), 0);
	assert_int_equal(supervised_connect(h->port), -1);
}

static void a_second_sigterm_ends_what_the_first_would_wait_for(void **state)
{
	struct supervised *h = *state;
	int fd = supervised_connect(h->port);

	send(fd, "freeze", 6, 0);
	usleep(20000);
	kill(h->pid, SIGTERM);
	usleep(20000);
	kill(h->pid, SIGTERM);
	assert_int_equal(supervised_status(h), 0);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, supervised_open, supervised_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_killed_worker_is_replaced_and_nobody_is_refused),
		TEST(two_crashes_with_the_same_address_in_flight_bar_it),
		TEST(a_worker_that_stands_still_is_aborted_and_replaced),
		TEST(reloads_fail_no_request),
		TEST(a_bad_file_at_reload_changes_nothing_and_says_why),
		TEST(workers_that_die_while_loading_leave_the_old_ones_in_place),
		TEST(a_new_address_is_served_and_a_removed_one_closed),
		TEST(sockets_of_slots_without_a_worker_are_adopted),
		TEST(sigterm_accepts_for_the_delay_then_drains),
		TEST(a_second_sigterm_ends_what_the_first_would_wait_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
