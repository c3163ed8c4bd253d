#include "worker/worker.h"
#include <fcntl.h>
#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

struct desk {
	struct shared shared;
	struct config config;
	struct generation generation;
	struct account account;
	struct child_context post;
	char dir[32], path[64];
	int out; /* what the writer says on stderr */
};

static int open_desk(void **state)
{
	const struct shared_sizes sizes = { 4, 65536, 1024, 1024 };
	struct desk *d = calloc(1, sizeof *d);

	snprintf(d->dir, sizeof d->dir, "/tmp/writer-XXXXXX");
	if (!mkdtemp(d->dir) || !shared_open(&d->shared, &sizes))
		return -1;
	snprintf(d->path, sizeof d->path, "%s/access.jsonl", d->dir);
	d->config.root.log.access = slice_of(d->path);
	d->generation.config = &d->config;
	d->account.change = false;
	d->post = (struct child_context){ .shared = &d->shared,
		                              .generation = &d->generation,
		                              .account = &d->account,
		                              .role = ROLE_WRITER,
		                              .seat = SEAT_WRITER,
		                              .supervisor = getpid(),
		                              .admin_fd = -1,
		                              .status_fd = -1 };
	*state = d;
	return 0;
}

static int close_desk(void **state)
{
	struct desk *d = *state;

	shared_close(&d->shared);
	unlink(d->path);
	rmdir(d->dir);
	free(d);
	return 0;
}

static pid_t start(struct desk *d)
{
	int pair[2];

	assert_int_equal(pipe(pair), 0);
	atomic_store(&d->shared.seats[SEAT_WRITER].order, ORDER_WAIT);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(pair[1], STDERR_FILENO);
		metrics_sit(SEAT_WRITER);
		_exit(writer_main(&d->post));
	}
	close(pair[1]);
	d->out = pair[0];
	return pid;
}

static int stop(struct desk *d, pid_t pid)
{
	int status;

	atomic_store(&d->shared.seats[SEAT_WRITER].order, ORDER_STOP);
	shared_notify(d->shared.notify_fds[SEAT_WRITER]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

static const char *read_back(int fd)
{
	static char text[256];
	ssize_t n = read(fd, text, sizeof text - 1);

	text[n > 0 ? n : 0] = '\0';
	close(fd);
	return text;
}

static void lines_go_to_the_file_and_messages_to_stderr(void **state)
{
	struct desk *d = *state;
	struct stat st;
	pid_t pid = start(d);

	ring_add(shared_access(&d->shared, SEAT_WORKERS), S("one\n"));
	ring_add(shared_messages(&d->shared, SEAT_WORKERS + 1), S("sallyport: worker: hm\n"));
	usleep(20000);
	ring_add(shared_access(&d->shared, SEAT_WORKERS), S("two\n")); /* the last ones are written too */
	assert_int_equal(stop(d, pid), 0);
	assert_string_equal(read_back(open(d->path, O_RDONLY)), "one\ntwo\n");
	assert_string_equal(read_back(d->out), "sallyport: worker: hm\n");
	assert_int_equal(stat(d->path, &st), 0);
	assert_int_equal(st.st_mode & 07, 0);
}

static void a_flood_leaves_half_the_room_to_valued_lines(void **state)
{
	struct desk *d = *state;
	const struct ring r = shared_access(&d->shared, SEAT_WORKERS);
	struct slice flood = S("refused refused refused refused refused refused refused refused refused\n");
	uint64_t wakes = 0;
	unsigned valued = 0;

	while (shared_log(&d->shared, SEAT_WORKERS, flood, false))
		;
	assert_in_range(ring_held(r), r.size / 2 - flood.len, r.size / 2);
	assert_int_equal(read(d->shared.notify_fds[SEAT_WRITER], &wakes, sizeof wakes), sizeof wakes);
	assert_int_equal(wakes, 1); /* at the quarter, once */
	while (shared_log(&d->shared, SEAT_WORKERS, flood, true))
		valued++;
	assert_in_range(valued, r.size / 2 / flood.len, r.size / 2 / flood.len + 1);
	ring_drop(shared_access(&d->shared, SEAT_WORKERS), ring_held(r));
	assert_true(shared_log(&d->shared, SEAT_WORKERS, flood, false));
}

static void a_new_writer_opens_the_file_again(void **state)
{
	struct desk *d = *state;
	char moved[80];
	pid_t pid = start(d);

	snprintf(moved, sizeof moved, "%s.1", d->path);
	ring_add(shared_access(&d->shared, SEAT_WORKERS), S("one\n"));
	assert_int_equal(stop(d, pid), 0);
	close(d->out);
	assert_int_equal(rename(d->path, moved), 0);
	ring_add(shared_access(&d->shared, SEAT_WORKERS), S("two\n"));
	pid = start(d);
	assert_int_equal(stop(d, pid), 0);
	close(d->out);
	assert_string_equal(read_back(open(moved, O_RDONLY)), "one\n");
	assert_string_equal(read_back(open(d->path, O_RDONLY)), "two\n");
	unlink(moved);
}

static uint64_t dropped(void)
{
	return metrics_value(metrics_series(METRIC_log_dropped_total, S(""), S(""), S(""), S("")));
}

static void wait_until_dropped(uint64_t n)
{
	for (unsigned i = 0; i < 5000 && dropped() < n; i++)
		usleep(1000);
	assert_true(dropped() >= n);
}

static void what_a_full_disk_does_not_take_is_dropped_counted_and_said_once(void **state)
{
	struct desk *d = *state;

	d->config.root.log.access = S("/dev/full");
	uint64_t before = dropped();
	pid_t pid = start(d);
	for (int i = 0; i < 3; i++) {
		ring_add(shared_access(&d->shared, SEAT_WORKERS), S("line\n"));
		usleep(15000);
	}
	assert_int_equal(stop(d, pid), 0);
	assert_int_equal(dropped() - before, 3);
	assert_string_equal(read_back(d->out), "sallyport: error: the access log /dev/full cannot be written: "
	                                       "No space left on device; its lines are dropped\n");
}

static void a_line_that_was_torn_does_not_spoil_the_next(void **state)
{
	struct desk *d = *state;
	const struct rlimit most = { 14, RLIM_INFINITY }, none = { RLIM_INFINITY, RLIM_INFINITY };
	uint64_t before = dropped();
	pid_t pid = start(d);

	assert_int_equal(prlimit(pid, RLIMIT_FSIZE, &most, NULL), 0);
	ring_add(shared_access(&d->shared, SEAT_WORKERS), S("first one\nsecond one\n"));
	wait_until_dropped(before + 1);
	assert_int_equal(prlimit(pid, RLIMIT_FSIZE, &none, NULL), 0);
	ring_add(shared_access(&d->shared, SEAT_WORKERS), S("third\n"));
	assert_int_equal(stop(d, pid), 0);
	close(d->out);
	assert_string_equal(read_back(open(d->path, O_RDONLY)), "first one\nseco\nthird\n");
	assert_int_equal(dropped() - before, 1);
}

static void a_ring_that_overflows_counts_what_it_lost(void **state)
{
	struct desk *d = *state;
	char line[1000];

	memset(line, 'x', sizeof line);
	uint64_t before = dropped();
	pid_t pid = start(d);
	metrics_sit(SEAT_WORKERS);
	while (shared_state(&d->shared, SEAT_WRITER) != SEAT_SERVING)
		usleep(1000);
	kill(pid, SIGSTOP);
	for (unsigned i = 0; i < 100; i++)
		shared_log(&d->shared, SEAT_WORKERS, (struct slice){ line, sizeof line }, true);
	uint64_t lost = dropped() - before; /* told while the writer is stuck */
	assert_in_range(lost, 1, 70);
	kill(pid, SIGCONT);
	assert_int_equal(stop(d, pid), 0);
	close(d->out);
	assert_int_equal(dropped() - before, lost);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_desk, close_desk)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines_go_to_the_file_and_messages_to_stderr),
		TEST(a_flood_leaves_half_the_room_to_valued_lines),
		TEST(a_new_writer_opens_the_file_again),
		TEST(what_a_full_disk_does_not_take_is_dropped_counted_and_said_once),
		TEST(a_line_that_was_torn_does_not_spoil_the_next),
		TEST(a_ring_that_overflows_counts_what_it_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
