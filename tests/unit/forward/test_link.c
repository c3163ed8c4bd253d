#include "base/text.h"
#include "forward/inside.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

/* An upstream of one endpoint on a Unix socket, which takes connections and says nothing. */
struct dev_place {
	char directory[32], path[64];
	int fd;
	struct loop *loop;
	struct config_upstream config;
	struct forward forward;
	struct upstream upstream;
	struct endpoint endpoint;
};

static void open_place(struct dev_place *p, uint64_t keep)
{
	struct sockaddr_storage at;
	socklen_t len;
	struct text path = TEXT(p->path);

	*p = (struct dev_place){ .directory = "/tmp/sp-link-XXXXXX",
		                     .config = {
		                         .keep = keep, .keep_idle = 3600 * NS_PER_S, .connections_max = 1024 } };
	assert_non_null(mkdtemp(p->directory));
	text_printf(&path, "unix:%s/s", p->directory);
	assert_true(text_end(&path));
	p->loop = loop_open();
	p->forward = (struct forward){ .loop = p->loop };
	p->upstream = (struct upstream){
		.config = &p->config, .forward = &p->forward, .endpoints = &p->endpoint, .endpoints_len = 1
	};
	p->endpoint.upstream = &p->upstream;
	list_init(&p->endpoint.idle);
	assert_true(endpoint_parse(slice_of(p->path), &p->endpoint.url));
	assert_true(endpoint_address(&p->endpoint.url, &at, &len));
	p->fd = listener_bind(&at, len, true);
	assert_true(p->fd >= 0);
}

static void close_place(struct dev_place *p)
{
	while (!list_is_empty(&p->endpoint.idle))
		link_close(list_entry(p->endpoint.idle.next, struct link, idle_link));
	assert_int_equal(p->endpoint.open_len, 0);
	loop_close(p->loop);
	close(p->fd);
	unlink(p->path + 5);
	rmdir(p->directory);
}

/* So many requests at once, each with a connection; how many of them were new. */
static size_t crowd(struct dev_place *p, size_t len)
{
	struct endpoint *e = &p->endpoint;
	struct link **links = calloc(len, sizeof *links);
	struct request r = { 0 };
	size_t before = e->open_len;

	assert_non_null(links);
	for (size_t i = 0; i < len; i++) {
		assert_int_equal(link_take(e, &r, false, &links[i]), LINK_READY);
		link_uses(e);
	}
	size_t added = e->open_len - before;
	for (size_t i = 0; i < len; i++) {
		e->in_flight--;
		link_keep(links[i]);
	}
	free(links);
	return added;
}

static void a_crowd_that_comes_again_finds_its_connections(void **state)
{
	struct dev_place p;

	(void)state;
	open_place(&p, 16);
	assert_int_equal(crowd(&p, 100), 100);
	assert_int_equal(crowd(&p, 100), 0);
	for (int s = 0; s < 300; s++) { /* each second anew: nothing is closed in between */
		links_age(&p.endpoint);
		assert_int_equal(crowd(&p, 100), 0);
	}
	close_place(&p);
}

static void a_peak_is_forgotten_and_its_connections_close(void **state)
{
	struct dev_place p;

	(void)state;
	open_place(&p, 16);
	crowd(&p, 100);
	links_age(&p.endpoint);
	assert_int_equal(p.endpoint.idle_len, 100);
	for (int s = 0; s < 10; s++) {
		links_age(&p.endpoint);
		crowd(&p, 20);
	}
	assert_in_range(p.endpoint.idle_len, 40, 70);
	for (int s = 0; s < 60; s++) {
		links_age(&p.endpoint);
		crowd(&p, 20);
	}
	assert_int_equal(p.endpoint.idle_len, 20);
	for (int s = 0; s < 60; s++)
		links_age(&p.endpoint);
	assert_int_equal(p.endpoint.idle_len, 16);
	close_place(&p);
}

static void whoever_keeps_none_keeps_none(void **state)
{
	struct dev_place p;

	(void)state;
	open_place(&p, 0);
	assert_int_equal(crowd(&p, 100), 100);
	assert_int_equal(p.endpoint.idle_len, 0);
	assert_int_equal(p.endpoint.open_len, 0);
	close_place(&p);
}

/* An answer and a reset in one moment, for every other of them: they were kept, and are not used again. */
static void one_that_was_reset_right_behind_its_answer_is_not_used_again(void **state)
{
	enum { MANY = 100 };
	struct request r = { 0 };
	struct link *links[MANY];
	struct dev_place p;
	int peers[MANY];
	char byte;

	(void)state;
	open_place(&p, MANY);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(link_take(&p.endpoint, &r, false, &links[i]), LINK_READY);
		assert_true(wire_write(links[i]->wire, S("q"))); /* which lies unread when its peer goes */
		peers[i] = accept(p.fd, NULL, NULL);
		assert_int_equal(write(peers[i], "answer", 6), 6);
		if (i % 2)
			close(peers[i]);
	}
	for (int i = 0; i < MANY; i++) {
		char answer[16];
		links[i]->wire->on_ready = NULL;
		while (wire_read(links[i]->wire, answer, sizeof answer) == WIRE_LATER)
			loop_turn(p.loop, NS_PER_S);
		link_keep(links[i]);
	}
	assert_int_equal(p.endpoint.idle_len, MANY);
	for (int i = 0; i < MANY / 2; i++) {
		assert_int_equal(link_take(&p.endpoint, &r, false, &links[i]), LINK_READY);
		assert_true(links[i]->reused);
		assert_true(wire_write(links[i]->wire, S("r")));
	}
	for (int i = 0; i < MANY; i += 2) {
		assert_int_equal(read(peers[i], &byte, 1), 1);
		assert_int_equal(read(peers[i], &byte, 1), 1);
		assert_int_equal(byte, 'r');
		close(peers[i]);
	}
	for (int i = 0; i < MANY / 2; i++)
		link_close(links[i]);
	close_place(&p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_crowd_that_comes_again_finds_its_connections),
		cmocka_unit_test(a_peak_is_forgotten_and_its_connections_close),
		cmocka_unit_test(whoever_keeps_none_keeps_none),
		cmocka_unit_test(one_that_was_reset_right_behind_its_answer_is_not_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
