#include "buckets/inside.h"
#include "limit_world.h"
#include "request/body_field.h"
#include <arpa/inet.h>
#include <stdio.h>

static unsigned bodies_asked_for;
static struct slice body_to_come;

/* Stands for the protocol: the whole body is there at the second asking. */
static enum step_result read_body(struct request *r)
{
	if (bodies_asked_for++ == 0)
		return WAIT;
	r->stash = body_to_come;
	r->stash_ended = true;
	return GO_ON;
}

static struct request *from_v6(const char *address)
{
	struct request *r = request_from(1);

	assert_int_equal(inet_pton(AF_INET6, address, &r->address), 1);
	return r;
}

/* Of a limit by this key with a burst of 1: is the second's bucket the first's? */
static bool share(const char *key, const char *first, const char *second)
{
	setup(NULL);
	limit("net", key, 1);
	open_limits();
	assert_int_equal(limit_early(s.l, from_v6(first), NOW), GO_ON);
	enum step_result result = limit_early(s.l, from_v6(second), NOW);
	teardown(NULL);
	return result == ANSWER;
}

static void a_prefix_may_have_any_length(void **state)
{
	(void)state;
	assert_true(share("prefix", "::ffff:192.0.2.1", "::ffff:192.0.2.200"));
	assert_false(share("prefix", "::ffff:192.0.2.1", "::ffff:192.0.3.1"));
	assert_true(share("prefix:16", "::ffff:192.0.2.1", "::ffff:192.0.3.1"));
	assert_false(share("prefix:32", "::ffff:192.0.2.1", "::ffff:192.0.2.2"));
	assert_true(share("prefix:27", "::ffff:192.0.2.1", "::ffff:192.0.2.31"));
	assert_false(share("prefix:27", "::ffff:192.0.2.1", "::ffff:192.0.2.32"));
	assert_true(share("prefix:27", "2001:db8::1", "2001:db8::ffff:1")); /* IPv6 keeps /64 */
	assert_false(share("prefix:27", "2001:db8::1", "2001:db8:0:1::1"));
	assert_true(share("prefix:56", "2001:db8:0:1::1", "2001:db8:0:ff::1"));
	assert_false(share("prefix:56", "2001:db8:0:1::1", "2001:db8:0:100::1"));
	assert_true(share("prefix:56", "::ffff:192.0.2.1", "::ffff:192.0.2.200")); /* IPv4 keeps /24 */
	assert_true(share("prefix:32/32", "2001:db8::1", "2001:db8:ffff::1"));
	assert_false(share("prefix:32/32", "::ffff:192.0.2.1", "::ffff:192.0.2.2"));
	assert_true(share("prefix48", "2001:db8:0:1::1", "2001:db8:0:ffff::1"));
}

static void cookie(struct request *r, const char *value)
{
	headers_add(&r->headers, S("Cookie"), slice_of(value));
}

static enum step_result with_cookies(uint8_t address, const char *one, const char *two)
{
	struct request *r = request_from(address);

	cookie(r, one);
	if (two)
		cookie(r, two);
	return limit_early(s.l, r, NOW);
}

static void a_cookie_is_counted_by_its_value(void **state)
{
	(void)state;
	limit("session", "cookie:sid", 1);
	open_limits();
	assert_int_equal(with_cookies(1, "a=b; sid=alpha; c=d", NULL), GO_ON);
	assert_int_equal(with_cookies(2, "sid=alpha", NULL), ANSWER);
	assert_int_equal(with_cookies(2, "a=1", "sid=\"alpha\""), ANSWER);
	assert_int_equal(with_cookies(2, "sid=alpha; sid=alpha", NULL), ANSWER);
	assert_int_equal(with_cookies(2, "sid=beta", NULL), GO_ON);
	assert_int_equal(with_cookies(3, "sid; sid=alpha", NULL), ANSWER);       /* the first has no name */
	assert_int_equal(with_cookies(2, "SID=alpha", NULL), GO_ON);             /* another cookie: the address */
	assert_int_equal(with_cookies(2, "sid=alpha; sid=gamma", NULL), ANSWER); /* the address again */
	assert_int_equal(with_cookies(2, "xsid=alpha; sid=", NULL), ANSWER);
}

static void with_field(uint8_t address, const char *name, const char *value, const char *connection)
{
	struct request *r = request_from(address);

	headers_add(&r->headers, slice_of(name), slice_of(value));
	if (connection)
		headers_add(&r->headers, S("Connection"), slice_of(connection));
}

/* Of a limit by this field with a burst of 1: are one client's requests counted apart by what it sends? */
static bool counts_by_field(const char *name, struct config_cidrs trusted, const char *pass,
                            const char *connection)
{
	static char key[64];
	struct slice passed = slice_of(pass);
	struct config_headers change = { .pass = { &passed, 1 } };

	setup(NULL);
	snprintf(key, sizeof key, "header:%s", name);
	limit("field", key, 1);
	s.config.root.trusted_proxies = trusted;
	s.route.request_headers = &change;
	open_limits();
	with_field(1, name, "one", connection);
	assert_int_equal(limit_early(s.l, &s.r, NOW), GO_ON);
	with_field(1, name, "two", connection);
	enum step_result result = limit_early(s.l, &s.r, NOW);
	teardown(NULL);
	return result == GO_ON;
}

static void a_field_that_no_upstream_will_see_is_none(void **state)
{
	static const char *const overrides[] = { "True-Client-IP",         "X-Client-IP",
		                                     "CF-Connecting-IP",       "X-Original-URL",
		                                     "X-HTTP-Method-Override", "X-Forwarded-Host",
		                                     "X-Forwarded-Anything",   "X-Real-IP" };
	static const char *const never[] = {
		"Sallyport-Tenant", "sallyport_subject", "X_Real_IP", "True_Client_IP",
		"X-Forwarded-For",  "Forwarded",         "Proxy",     "Keep-Alive"
	};
	static struct cidr all = { .bits = 0 };
	struct config_cidrs none = { 0 }, everybody = { &all, 1 };

	(void)state;
	for (size_t i = 0; i < sizeof overrides / sizeof *overrides; i++) {
		if (counts_by_field(overrides[i], none, "X-Other", NULL))
			fail_msg("a stranger's %s counts", overrides[i]);
		assert_true(counts_by_field(overrides[i], everybody, "X-Other", NULL));
	}
	assert_true(counts_by_field("True-Client-IP", none, "true-client-ip", NULL));
	for (size_t i = 0; i < sizeof never / sizeof *never; i++)
		if (counts_by_field(never[i], everybody, "X-Other", NULL))
			fail_msg("%s counts", never[i]);
	assert_true(counts_by_field("X-Key", none, "X-Other", NULL));
	assert_true(counts_by_field("X-Key", none, "X-Other", "close, X-Keys"));
	assert_false(counts_by_field("X-Key", none, "X-Other", "close, x-key"));
	/* it cannot be named away */
	assert_true(counts_by_field("Authorization", none, "X-Other", "authorization"));
}

static struct request *post(uint8_t address, const char *body)
{
	struct request *r = request_from(address);

	bodies_asked_for = 0;
	body_to_come = slice_of(body);
	r->method = S("POST");
	r->has_body = true;
	r->content_length = body_to_come.len;
	return r;
}

static enum step_result posted(struct request *r)
{
	assert_int_equal(limit_early(s.l, r, NOW), WAIT);
	return limit_early(s.l, r, NOW);
}

static void a_field_of_the_body_is_waited_for_and_counted(void **state)
{
	(void)state;
	limit("form", "form:username", 2);
	limit("json", "json:user.name", 2);
	open_limits();
	limits_read_bodies(s.l, read_body);
	assert_int_equal(posted(post(1, "username=alice")), GO_ON);
	assert_int_equal(posted(post(2, "username=%41LICE+")), GO_ON);
	assert_int_equal(posted(post(3, "username=alice")), ANSWER); /* of whatever address */
	assert_int_equal(posted(post(3, "username=bob")), GO_ON);
	assert_int_equal(posted(post(4, "{\"user\":{\"name\":\"alice\"}}")), GO_ON);
	assert_int_equal(posted(post(5, "{\"user\":{\"name\":\"alice\"}}")), GO_ON);
	assert_int_equal(posted(post(6, "{\"user\":{\"name\":\"alice\"}}")), ANSWER);
}

static struct request *long_post(const char *beginning)
{
	static char block[BODY_FIELD_MAX];
	struct request *r = post(1, "");

	memset(block, ' ', sizeof block);
	memcpy(block, beginning, strlen(beginning));
	r->content_length = 10 * BODY_FIELD_MAX;
	assert_int_equal(limit_early(s.l, r, NOW), WAIT);
	r->stash = (struct slice){ block, sizeof block };
	r->stash_ended = false;
	return r;
}

static void a_body_that_cannot_be_read_is_refused(void **state)
{
	struct request *r;

	(void)state;
	limit("form", "form:username", 1);
	open_limits();
	limits_read_bodies(s.l, read_body);
	for (int i = 0; i < 3; i++) {
		r = post(1, "username=a&username=b");
		assert_int_equal(posted(r), ANSWER);
		assert_int_equal(r->fault, FAULT_FIELD);
	}
	r = post(1, "username=e");
	headers_add(&r->headers, S("Content-Encoding"), S("gzip"));
	assert_int_equal(posted(r), ANSWER);
	assert_int_equal(r->fault, FAULT_FIELD);
	r = long_post("a=b&");
	assert_int_equal(limit_early(s.l, r, NOW), ANSWER);
	assert_int_equal(r->fault, FAULT_FIELD);
	assert_int_equal(limit_early(s.l, long_post("username=zoe&"), NOW), GO_ON);
	r = post(2, "username=zoe");
	assert_int_equal(posted(r), ANSWER);
	assert_int_equal(r->fault, FAULT_LIMITED);
	assert_int_equal(posted(post(1, "username=")), GO_ON); /* nothing is unreadable: by its address */
	assert_int_equal(limit_early(s.l, request_from(1), NOW), ANSWER);
}

static void a_limit_may_count_what_it_cannot_read_by_its_address(void **state)
{
	(void)state;
	limit("form", "form:username", 1);
	s.limits[0].unreadable = UNREADABLE_ADDRESS;
	open_limits();
	limits_read_bodies(s.l, read_body);
	assert_int_equal(posted(post(1, "username=a&username=b")), GO_ON);
	assert_int_equal(posted(post(1, "username=c&username=d")), ANSWER);
	assert_int_equal(limit_early(s.l, long_post("a=b&"), NOW), ANSWER);
	assert_int_equal(limit_early(s.l, request_from(1), NOW), ANSWER);
}

static void whom_another_limit_refuses_is_not_waited_for(void **state)
{
	(void)state;
	struct config_limit *address = limit("address", "address", 1);
	limit("form", "form:username", 5);
	open_limits();
	limits_read_bodies(s.l, read_body);
	assert_int_equal(posted(post(1, "username=alice")), GO_ON);
	assert_int_equal(limit_early(s.l, post(1, "username=alice"), NOW), ANSWER);
	assert_int_equal(bodies_asked_for, 0);
	assert_ptr_equal(s.r.refusal.limit, address);
}

static void long_values_differ_by_their_end_too(void **state)
{
	static char body[2000];

	(void)state;
	limit("form", "form:username", 1);
	open_limits();
	limits_read_bodies(s.l, read_body);
	for (int i = 0; i < 3; i++) {
		snprintf(body, sizeof body, "username=%01000d", i / 2);
		assert_int_equal(posted(post((uint8_t)i, body)), i == 1 ? ANSWER : GO_ON);
	}
}

static void a_limit_may_be_for_some_methods_only(void **state)
{
	static struct slice post_only[] = { { "POST", 4 } };

	(void)state;
	limit("tries", "address", 1)->methods = (struct config_texts){ post_only, 1 };
	open_limits();
	for (int i = 0; i < 6; i++) {
		struct request *r = request_from(1);
		r->method = i % 2 ? S("POST") : S("GET");
		assert_int_equal(limit_early(s.l, r, NOW), i % 2 && i > 1 ? ANSWER : GO_ON);
	}
}

static void a_limit_may_be_for_some_networks_and_not_for_others(void **state)
{
	static struct cidr wide[1], narrow[1];

	(void)state;
	struct config_limit *l = limit("guests", "address", 1);
	struct in6_addr net = request_from(0)->address;
	wide[0] = (struct cidr){ net, 120 };
	narrow[0] = (struct cidr){ net, 126 };
	l->networks = (struct config_cidrs){ wide, 1 };
	l->except = (struct config_cidrs){ narrow, 1 };
	open_limits();
	for (int i = 0; i < 2; i++) {
		assert_int_equal(early_from(3, NOW), GO_ON);
		assert_int_equal(early_from(4, NOW), i ? ANSWER : GO_ON);
		struct request *r = request_from(4);
		r->address.s6_addr[12] = 10;
		assert_int_equal(limit_early(s.l, r, NOW), GO_ON);
	}
}

/* Bit per address: refused at the second try? */
static uint64_t refused_ones(uint32_t percent, bool all)
{
	uint64_t refused = 0;

	s.limits[0].shadow = percent;
	s.config.root.limiting.shadow = all;
	open_limits();
	for (uint8_t i = 0; i < 64; i++) {
		early_from(i, NOW);
		refused |= (uint64_t)(early_from(i, NOW) == ANSWER) << i;
	}
	limits_close(s.l);
	s.l = NULL;
	for (uint64_t i = 0; i < SLOTS; i++)
		atomic_store(&s.table->slot[i].tat, 0); /* all are full again */
	return refused;
}

static void a_share_in_the_shadow_is_of_keys_that_stay_the_same(void **state)
{
	(void)state;
	limit("shy", "address", 1);
	uint64_t none = refused_ones(0, false), some = refused_ones(30, false), more = refused_ones(70, false);
	assert_true(none == UINT64_MAX);
	assert_true(refused_ones(100, false) == 0);
	assert_true(refused_ones(0, true) == 0);
	assert_true(some == refused_ones(30, false));
	assert_true((more & ~some) == 0); /* as the shadow shrinks, more are held to it and none is let go */
	assert_in_range(__builtin_popcountll(some), 20, 63); /* of 64, 45 in the mean */
	assert_in_range(__builtin_popcountll(more), 1, 44);
}

static void the_fields_are_for_routes_with_a_token(void **state)
{
	static struct config_route_verify verify;

	(void)state;
	limit("one", "address", 9)->headers = 0; /* verified */
	limit("two", "address", 9)->headers = 2; /* never */
	open_limits();
	early_from(1, NOW);
	assert_int_equal(s.r.rate_limit.len, 0);
	s.route.verify = &verify;
	early_from(1, NOW);
	assert_slice(s.r.rate_limit, "\"one\";r=7;t=2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_prefix_may_have_any_length),
		TEST(a_cookie_is_counted_by_its_value),
		cmocka_unit_test(a_field_that_no_upstream_will_see_is_none),
		TEST(a_field_of_the_body_is_waited_for_and_counted),
		TEST(a_body_that_cannot_be_read_is_refused),
		TEST(a_limit_may_count_what_it_cannot_read_by_its_address),
		TEST(whom_another_limit_refuses_is_not_waited_for),
		TEST(long_values_differ_by_their_end_too),
		TEST(a_limit_may_be_for_some_methods_only),
		TEST(a_limit_may_be_for_some_networks_and_not_for_others),
		TEST(a_share_in_the_shadow_is_of_keys_that_stay_the_same),
		TEST(the_fields_are_for_routes_with_a_token),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
