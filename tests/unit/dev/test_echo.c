#include "dev/servers.h"
#include "../miniserver/talk.h"
#include <jansson.h>

static struct miniserver *echo;

static int begin(void **state)
{
	(void)state;
	open_loop();
	echo = echo_open(loop, listening);
	return echo ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	miniserver_close(echo);
	close_loop();
	return 0;
}

static json_t *echoed(const char *request)
{
	int fd = dial();

	ask_for(fd, request, NULL);
	close(fd);
	json_t *o = json_loads(strstr(heard, "\r\n\r\n") + 4, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(o);
	return o;
}

static void it_tells_what_it_got_but_no_credential(void **state)
{
	json_t *o = echoed("POST /api/v1/x?a=b HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-A: \"2\"\r\n"
	                   "Authorization: Bearer sesame\r\n"
	                   "Cookie: k=sesame\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello");

	(void)state;
	assert_string_equal(json_string_value(json_object_get(o, "method")), "POST");
	assert_string_equal(json_string_value(json_object_get(o, "path")), "/api/v1/x");
	assert_string_equal(json_string_value(json_object_get(o, "query")), "a=b");
	assert_int_equal(json_integer_value(json_object_get(o, "body_length")), 5);
	assert_null(strstr(heard, "sesame"));
	assert_non_null(strstr(heard, "[\"Authorization\",\"13 bytes\"]"));
	assert_non_null(strstr(heard, "[\"X-A\",\"1\"],[\"X-A\",\"\\\"2\\\"\"]"));
	json_decref(o);
}

static void it_answers_the_status_asked_for(void **state)
{
	(void)state;
	json_decref(echoed("GET /a/status/404 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
	assert_int_equal(strncmp(heard, "HTTP/1.1 404 ", 13), 0);
	json_decref(echoed("GET /a/status/999 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
	assert_int_equal(strncmp(heard, "HTTP/1.1 200 ", 13), 0);
	json_decref(echoed("GET /404 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
	assert_int_equal(strncmp(heard, "HTTP/1.1 200 ", 13), 0);
}

static void it_streams_as_many_bytes_as_asked(void **state)
{
	int fd = dial();

	(void)state;
	ask_for(fd, "GET /x/bytes?n=700000 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", NULL);
	assert_true(ended);
	assert_int_equal(strlen(strstr(heard, "\r\n\r\n") + 4), 700000);
	close(fd);
	fd = dial();
	assert_true(ask_for(fd, "GET /x/bytes?n=-1 HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 400 "));
	close(fd);
}

static void login_is_a_page(void **state)
{
	int fd = dial();

	(void)state;
	assert_true(ask_for(fd, "GET /login/ HTTP/1.1\r\nHost: h\r\n\r\n", "<form"));
	assert_true(
	    ask_for(fd, "POST /login/ HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nname=a", "Signed in"));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_tells_what_it_got_but_no_credential, begin, end),
		cmocka_unit_test_setup_teardown(it_answers_the_status_asked_for, begin, end),
		cmocka_unit_test_setup_teardown(it_streams_as_many_bytes_as_asked, begin, end),
		cmocka_unit_test_setup_teardown(login_is_a_page, begin, end),
	};

	return cmocka_run_group_tests_name("the echo upstream", tests, NULL, NULL);
}
