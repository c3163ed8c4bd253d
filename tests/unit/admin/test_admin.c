#include "admin/admin.h"
#include "metrics/metrics.h"
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[] = "/tmp/admin-XXXXXX", path[64];
static pid_t server;
static unsigned status_port;

/* ---- the server, in a process of its own ---- */

static struct admin_ask *later;
static unsigned gone;
static bool ready;

static void on_ask(void *with, struct admin_ask *ask, struct slice verb)
{
	char text[64];

	(void)with;
	if (slice_same(verb, S("later"))) {
		later = ask;
		return;
	}
	if (slice_same(verb, S("now")) && later) {
		admin_answer(later, S("{\"later\":1}"));
		later = NULL;
	}
	if (slice_same(verb, S("ready")))
		ready = true;
	snprintf(text, sizeof text, "{\"verb\":\"%.*s\",\"gone\":%u}", SLICE(verb), gone);
	admin_answer(ask, slice_of(text));
}

static void on_gone(void *with, struct admin_ask *ask)
{
	(void)with;
	gone++;
	if (later == ask)
		later = NULL;
}

static const char *unready(void *with)
{
	(void)with;
	return ready ? NULL : "it is not serving";
}

static bool is_started(void *with)
{
	(void)with;
	return ready;
}

_Noreturn static void serve(int admin_fd, int status_fd)
{
	const struct admin_env world = { getuid(), on_ask, on_gone, NULL };
	const struct probes_env probes = { unready, is_started, NULL };
	struct loop *l = loop_open();
	struct admin *a = admin_open(l, admin_fd, &world);
	struct probes *p = probes_open(l, status_fd, &probes);

	while (a && p && getppid() != 1)
		loop_turn(l, NS_PER_S);
	_exit(1);
}

static int open_server(void **state)
{
	struct sockaddr_storage at;
	socklen_t len;
	char why[256];

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof path, "%s/admin.sock", dir);
	int fd = admin_bind(path, why, sizeof why);
	if (fd < 0 || !address_parse(S("127.0.0.1:0"), &at, &len))
		return -1;
	int status = listener_bind(&at, len, true);
	struct sockaddr_in bound;
	len = sizeof bound;
	getsockname(status, (struct sockaddr *)&bound, &len);
	status_port = ntohs(bound.sin_port);
	server = fork();
	if (server == 0)
		serve(fd, status);
	close(fd);
	close(status);
	return server > 0 ? 0 : -1;
}

static int close_server(void **state)
{
	(void)state;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	unlink(path);
	rmdir(dir);
	return 0;
}

/* ---- the tests ---- */

static void a_verb_is_answered_with_one_line(void **state)
{
	char *answer;

	(void)state;
	assert_int_equal(admin_call(path, S("status"), 5, &answer), ADMIN_ANSWERED);
	assert_string_equal(answer, "{\"verb\":\"status\",\"gone\":0}\n");
	free(answer);
}

static int say(const char *words)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_true(send(fd, words, strlen(words), MSG_NOSIGNAL) == (ssize_t)strlen(words));
	return fd;
}

static void an_answer_may_come_later_and_one_who_left_is_told_of(void **state)
{
	char *answer, heard[64] = "";

	(void)state;
	int fd = say("later\n");
	usleep(20000);
	assert_int_equal(admin_call(path, S("now"), 5, &answer), ADMIN_ANSWERED);
	free(answer);
	assert_true(recv(fd, heard, sizeof heard - 1, 0) > 0);
	assert_int_equal(strncmp(heard, "{\"later\":1}", 11), 0);
	close(fd);
	close(say("later\n"));
	usleep(20000);
	assert_int_equal(admin_call(path, S("now"), 5, &answer), ADMIN_ANSWERED);
	assert_string_equal(answer, "{\"verb\":\"now\",\"gone\":1}\n");
	free(answer);
}

static void a_verb_too_long_to_be_heard_is_not_said(void **state)
{
	char *answer, words[ADMIN_LINE];

	(void)state;
	memset(words, 'x', sizeof words);
	assert_int_equal(admin_call(path, (struct slice){ words, sizeof words - 1 }, 5, &answer), ADMIN_FAILED);
	assert_non_null(strstr(answer, "too long"));
	free(answer);
	assert_int_equal(admin_call(path, (struct slice){ words, 1000 }, 5, &answer), ADMIN_ANSWERED);
	free(answer);
}

static void a_line_without_end_is_no_verb(void **state)
{
	char words[ADMIN_LINE + 100], heard[64] = "";

	(void)state;
	memset(words, 'x', sizeof words - 1);
	words[sizeof words - 1] = '\0';
	int fd = say(words);
	assert_true(recv(fd, heard, sizeof heard - 1, 0) > 0);
	assert_int_equal(strncmp(heard, "{\"error\":\"no such verb\"}", 24), 0);
	close(fd);
}

static void the_socket_is_private_and_a_living_one_is_not_replaced(void **state)
{
	struct stat st;
	char why[256] = "", other[80];

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(admin_bind(path, why, sizeof why), -1);
	assert_non_null(strstr(why, "another Sallyport answers"));
	snprintf(other, sizeof other, "%s/other.sock", dir);
	int fd = admin_bind(other, why, sizeof why);
	assert_true(fd >= 0);
	close(fd); /* a dead one's socket remains, and gives way */
	fd = admin_bind(other, why, sizeof why);
	assert_true(fd >= 0);
	close(fd);
	unlink(other);
	assert_int_equal(admin_bind("relative", why, sizeof why), -1);
}

static void nobody_there_is_told_apart_from_failure(void **state)
{
	char *answer, nowhere[80];

	(void)state;
	snprintf(nowhere, sizeof nowhere, "%s/none.sock", dir);
	assert_int_equal(admin_call(nowhere, S("status"), 1, &answer), ADMIN_ABSENT);
	assert_non_null(strstr(answer, "none.sock"));
	free(answer);
	int fd = say("later\n");
	assert_int_equal(admin_call(path, S("later"), 1, &answer), ADMIN_FAILED);
	free(answer);
	close(fd);
}

static const char *get(const char *line)
{
	static char answer[65536];
	struct sockaddr_in at = { .sin_family = AF_INET,
		                      .sin_port = htons((uint16_t)status_port),
		                      .sin_addr = { htonl(INADDR_LOOPBACK) } };
	char ask[256];
	size_t len = 0;
	ssize_t n;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
	int asked = snprintf(ask, sizeof ask, "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", line);
	assert_true(send(fd, ask, (size_t)asked, 0) == asked);
	while ((n = recv(fd, answer + len, sizeof answer - 1 - len, 0)) > 0)
		len += (size_t)n;
	answer[len] = '\0';
	close(fd);
	return answer;
}

static void probes_and_metrics_are_all_that_is_served(void **state)
{
	char *answer;

	(void)state;
	assert_non_null(strstr(get("GET /livez"), " 200 "));
	assert_non_null(strstr(get("GET /readyz"), " 503 "));
	assert_non_null(strstr(get("GET /startupz"), " 503 "));
	assert_int_equal(admin_call(path, S("ready"), 5, &answer), ADMIN_ANSWERED);
	free(answer);
	assert_non_null(strstr(get("HEAD /readyz"), " 200 "));
	assert_non_null(strstr(get("GET /metrics"), "text/plain; version=0.0.4"));
	assert_non_null(strstr(get("GET /status"), " 503 "));
	assert_non_null(strstr(get("POST /livez"), " 405 "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_verb_is_answered_with_one_line),
		cmocka_unit_test(an_answer_may_come_later_and_one_who_left_is_told_of),
		cmocka_unit_test(a_verb_too_long_to_be_heard_is_not_said),
		cmocka_unit_test(a_line_without_end_is_no_verb),
		cmocka_unit_test(the_socket_is_private_and_a_living_one_is_not_replaced),
		cmocka_unit_test(nobody_there_is_told_apart_from_failure),
		cmocka_unit_test(probes_and_metrics_are_all_that_is_served),
	};

	return cmocka_run_group_tests(tests, open_server, close_server);
}
