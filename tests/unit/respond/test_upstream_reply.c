#include "fake.h"

#define WALL_NS (UINT64_C(1741964966535) * NS_PER_MS)

static struct config_route route;
static struct header table[64];
static struct headers answer;

static struct request *begin(uint16_t cap)
{
	struct request *r = fake_request();

	route = (struct config_route){ .name = S("api") };
	answer = (struct headers){ table, 0, cap };
	r->route = &route;
	return r;
}

static void gives(struct slice name, struct slice value)
{
	assert_true(headers_add(&answer, name, value));
}

/* How many fields of this name go on; *value is the last one's. */
static unsigned sent(struct slice name, struct slice *value)
{
	unsigned n = 0;

	for (uint16_t i = 0; i < answer.len; i++)
		if (!answer.at[i].dropped && slice_same_nocase(answer.at[i].name, name)) {
			n++;
			*value = answer.at[i].value;
		}
	return n;
}

static void assert_sent(struct slice name, const char *want)
{
	struct slice value = S("");

	assert_int_equal(sent(name, &value), 1);
	assert_true(slice_same(value, slice_of(want)));
}

static void assert_dropped(struct slice name)
{
	struct slice value;

	assert_int_equal(sent(name, &value), 0);
}

static void what_concerns_the_hop_stays_there(void **state)
{
	struct request *r = begin(64);

	(void)state;
	gives(S("Connection"), S("X-Secret, keep-alive"));
	gives(S("Connection"), S(",x-other"));
	gives(S("Keep-Alive"), S("timeout=5"));
	gives(S("Transfer-Encoding"), S("chunked"));
	gives(S("Content-Length"), S("12"));
	gives(S("Upgrade"), S("h2c"));
	gives(S("Proxy-Authenticate"), S("Basic"));
	gives(S("X-Secret"), S("1"));
	gives(S("X-Other"), S("2"));
	gives(S("X-Kept"), S("3"));
	gives(S("Server"), S("app/1"));
	respond_fields(r, &answer, 11, WALL_NS);
	assert_dropped(S("Connection"));
	assert_dropped(S("Keep-Alive"));
	assert_dropped(S("Transfer-Encoding"));
	assert_dropped(S("Content-Length"));
	assert_dropped(S("Upgrade"));
	assert_dropped(S("Proxy-Authenticate"));
	assert_dropped(S("X-Secret"));
	assert_dropped(S("X-Other"));
	assert_sent(S("X-Kept"), "3");
	assert_sent(S("Server"), "app/1");
}

static void ours_are_ours_alone(void **state)
{
	struct request *r = begin(64);

	(void)state;
	gives(S("Sallyport-Reason"), S("forged"));
	gives(S("sallyport_request_id"), S("forged"));
	gives(S("SALLYPORT.VERDICT"), S("forged"));
	gives(S("Sallyports"), S("kept"));
	r->rate_limit = S("\"a\";r=1;t=1");
	r->rate_limit_policy = S("\"a\";q=1;w=1");
	r->issuer_state = S("stale");
	respond_fields(r, &answer, 11, WALL_NS);
	assert_dropped(S("Sallyport-Reason"));
	assert_sent(S("Date"), "Fri, 14 Mar 2025 15:09:26 GMT");
	assert_dropped(S("sallyport_request_id"));
	assert_dropped(S("sallyport.verdict"));
	assert_sent(S("Sallyports"), "kept");
	assert_sent(S("Sallyport-Request-Id"), r->id);
	assert_sent(S("RateLimit"), "\"a\";r=1;t=1");
	assert_sent(S("RateLimit-Policy"), "\"a\";q=1;w=1");
	assert_sent(S("Sallyport-Issuer-State"), "stale");
	assert_sent(S("Via"), "1.1 sallyport");
}

static void a_via_before_ours_stays(void **state)
{
	struct request *r = begin(64);
	struct slice value = S("");

	(void)state;
	gives(S("Via"), S("1.0 inner"));
	respond_fields(r, &answer, 11, WALL_NS);
	assert_int_equal(sent(S("Via"), &value), 2);
	assert_true(slice_same(value, S("1.1 sallyport")));
}

static void the_route_sets_and_removes(void **state)
{
	struct request *r = begin(64);
	struct slice remove[] = { S("x-powered-by") };
	struct config_pair set[] = { { S("X-Frame-Options"), S("DENY") },
		                         { S("Set-Cookie"), S("a=1") },
		                         { S("Set-Cookie"), S("b=2") } };
	struct config_headers changes = { .set = { set, 3 }, .remove = { remove, 1 } };
	struct slice value = S("");

	(void)state;
	route.response_headers = &changes;
	gives(S("X-Powered-By"), S("magic"));
	gives(S("X-FRAME-OPTIONS"), S("ALLOW"));
	gives(S("Set-Cookie"), S("c=3"));
	respond_fields(r, &answer, 11, WALL_NS);
	assert_dropped(S("X-Powered-By"));
	assert_sent(S("X-Frame-Options"), "DENY");
	assert_int_equal(sent(S("Set-Cookie"), &value), 2);
}

static void a_full_table_is_replaced_by_a_larger_one(void **state)
{
	struct request *r = begin(3);

	(void)state;
	gives(S("A"), S("1"));
	gives(S("B"), S("2"));
	gives(S("Keep-Alive"), S("3"));
	respond_fields(r, &answer, 11, WALL_NS);
	assert_sent(S("A"), "1");
	assert_sent(S("B"), "2");
	assert_dropped(S("Keep-Alive"));
	assert_sent(S("Via"), "1.1 sallyport");
	assert_sent(S("Sallyport-Request-Id"), r->id);
}

static void without_memory_removal_still_holds(void **state)
{
	struct request *r = begin(1);

	(void)state;
	arena_init(&r->arena, fake_arena, 16);
	gives(S("Sallyport-Reason"), S("forged"));
	respond_fields(r, &answer, 11, WALL_NS);
	assert_dropped(S("Sallyport-Reason"));
	assert_int_equal(answer.len, 1);
}

static void an_allowed_origin_may_read_unless_the_upstream_spoke_of_it(void **state)
{
	struct request *r = begin(64);
	struct slice origins[] = { S("https://app.example.com") };
	struct config_cors cors = { .origins = { origins, 1 }, .credentials = true };

	(void)state;
	route.cors = &cors;
	fake_ask(S("Origin"), S("https://app.example.com"));
	respond_fields(r, &answer, 11, WALL_NS);
	assert_sent(S("Access-Control-Allow-Origin"), "https://app.example.com");
	assert_sent(S("Access-Control-Allow-Credentials"), "true");
	assert_sent(S("Vary"), "Origin");

	answer.len = 0;
	gives(S("access-control-allow-origin"), S("null"));
	respond_fields(r, &answer, 11, WALL_NS);
	assert_sent(S("Access-Control-Allow-Origin"), "null");
	assert_dropped(S("Access-Control-Allow-Credentials"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_concerns_the_hop_stays_there),
		cmocka_unit_test(ours_are_ours_alone),
		cmocka_unit_test(a_via_before_ours_stays),
		cmocka_unit_test(the_route_sets_and_removes),
		cmocka_unit_test(a_full_table_is_replaced_by_a_larger_one),
		cmocka_unit_test(without_memory_removal_still_holds),
		cmocka_unit_test(an_allowed_origin_may_read_unless_the_upstream_spoke_of_it),
	};

	(void)fake_ops;
	return cmocka_run_group_tests_name("fields on the way through", tests, NULL, NULL);
}
