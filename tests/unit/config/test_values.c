#include "loaded.h"
#include "config/table.h"

static struct store store;

static bool parse(enum config_type type, struct slice from, void *to, const char **why)
{
	struct parse_with w = { &store, NULL, { 0 } };

	*why = NULL;
	return types[type].parse(&w, store_copy(&store, from), to, why);
}

/* Reads and writes it back; "!" where it is refused. */
static const char *round_trip(enum config_type type, struct slice from)
{
	static char room[4][128];
	static unsigned turn;
	_Alignas(16) unsigned char value[64] = { 0 };
	struct text t = { .at = room[turn++ % 4], .cap = sizeof room[0] };
	const char *why;

	if (!parse(type, from, value, &why))
		return "!";
	types[type].format(value, &t);
	return text_end(&t) ? t.at : "?";
}

#define EXPECT(type, from, to) assert_string_equal(round_trip(TYPE_##type, S(from)), to)

static void numbers_have_digits_only(void **state)
{
	(void)state;
	EXPECT(COUNT, "0", "0");
	EXPECT(COUNT, "18446744073709551615", "18446744073709551615");
	EXPECT(COUNT, "18446744073709551616", "!");
	EXPECT(COUNT, "-1", "!");
	EXPECT(COUNT, "1.0", "!");
	EXPECT(COUNT, "010", "!");
	EXPECT(COUNT, " 1", "!");
	EXPECT(COUNT, "", "!");
	EXPECT(BOOL, "true", "true");
	EXPECT(BOOL, "false", "false");
	EXPECT(BOOL, "yes", "!");
	EXPECT(PERCENT, "20%", "20%");
	EXPECT(PERCENT, "100%", "100%");
	EXPECT(PERCENT, "101%", "!");
	EXPECT(PERCENT, "20", "!");
	EXPECT(SHARE, "true", "true");
	EXPECT(SHARE, "false", "false");
	EXPECT(SHARE, "50%", "50%");
	EXPECT(SHARE, "100%", "true");
	EXPECT(SHARE, "0%", "false");
	EXPECT(SHARE, "50", "!");
	EXPECT(SHARE, "101%", "!");
	EXPECT(FRACTION, "1/16", "1/16");
	EXPECT(FRACTION, "1", "1");
	EXPECT(FRACTION, "1000000/1000000", "1000000/1000000");
	EXPECT(FRACTION, "5%", "5%");
	EXPECT(FRACTION, "100%", "100%");
	EXPECT(FRACTION, "0", "!");
	EXPECT(FRACTION, "0%", "!");
	EXPECT(FRACTION, "0/3", "!");
	EXPECT(FRACTION, "1/0", "!");
	EXPECT(FRACTION, "3/2", "!");
	EXPECT(FRACTION, "1/", "!");
	EXPECT(FRACTION, "/2", "!");
	EXPECT(FRACTION, "1/2%", "!");
	EXPECT(FRACTION, "1/2/3", "!");
	EXPECT(FRACTION, "101%", "!");
	EXPECT(FRACTION, "1/1000001", "!");
	EXPECT(FRACTION, "0.1", "!");
}

static const char *why_no_log(const char *path, struct slice directory)
{
	struct parse_with w = { &store, NULL, directory };
	struct bundle *b = bundle_empty();
	struct slice value;
	const char *why = NULL;

	w.bundle = b;
	if (types[TYPE_LOGFILE].parse(&w, store_copy(&store, slice_of(path)), &value, &why))
		why = "";
	bundle_close(b);
	return why ? why : "no reason";
}

static void a_descriptor_is_no_log_file_however_it_is_spelled(void **state)
{
	static const char *const out[] = { "/dev/stdout",
		                               "/dev//./stdout",
		                               "//dev/stdout",
		                               "/dev/fd/1",
		                               "/dev/fd/./1",
		                               "/dev/../dev/stdout",
		                               "/x/../dev/stdout",
		                               "/proc/self/fd/1",
		                               "/proc/1/fd/1",
		                               "/proc/4711/fd/1",
		                               "/proc/self/../self/fd/1",
		                               "/proc/thread-self/fd/1",
		                               "/proc/self/task/12/fd/1",
		                               "/proc/1/root/dev/stdout",
		                               "/proc/self/root/proc/1/fd/1",
		                               "/dev/fd/../../self/fd/1",
		                               "../../dev/stdout",
		                               "../../../../proc/1/fd/1" };
	static const char *const none[] = {
		"/var/log/stdout", "/dev/stdout.log", "/dev/null",   "fd/1",   "/proc/1/fd", "/dev",      "/",
		"/proc",           "/proc/1/root/x",  "/dev/fd/one", "stdout", "stderr",     "stdout.log"
	};
	struct slice home = S("/etc/sallyport");

	(void)state;
	for (size_t i = 0; i < sizeof out / sizeof *out; i++)
		if (strcmp(why_no_log(out[i], home), "write stdout, without a path") != 0)
			fail_msg("%s: %s", out[i], why_no_log(out[i], home));
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		if (why_no_log(none[i], home)[0])
			fail_msg("%s: %s", none[i], why_no_log(none[i], home));
	assert_string_equal(why_no_log("stdout", S("/dev")), "");
	assert_string_equal(why_no_log("./stdout", S("/dev")), "write stdout, without a path");
	assert_string_equal(why_no_log("fd/2", S("/proc/self")), "write stderr, without a path");
	assert_string_equal(why_no_log("/proc/1//fd/2", home), "write stderr, without a path");
	assert_non_null(strstr(why_no_log("/dev/stdin", home), "descriptor"));
	assert_non_null(strstr(why_no_log("/proc/self/fd/7", home), "descriptor"));
	assert_string_equal(why_no_log("-", home), "write stdout");
	assert_string_not_equal(why_no_log("", home), "");
}

static void durations_need_their_unit(void **state)
{
	(void)state;
	EXPECT(DURATION, "250ms", "250ms");
	EXPECT(DURATION, "1500ms", "1500ms");
	EXPECT(DURATION, "60s", "1m");
	EXPECT(DURATION, "24h", "24h");
	EXPECT(DURATION, "7ns", "7ns");
	EXPECT(DURATION, "3us", "3us");
	EXPECT(DURATION, "0s", "0s");
	EXPECT(DURATION, "10", "!");
	EXPECT(DURATION, "10 s", "!");
	EXPECT(DURATION, "1d", "!");
	EXPECT(DURATION, "1h30m", "!");
	EXPECT(DURATION, "-1s", "!");
	EXPECT(DURATION, "5124095h", "5124095h");
	EXPECT(DURATION, "5124096h", "!"); /* more ns than fit */
}

static void sizes_are_binary_and_written_so(void **state)
{
	(void)state;
	EXPECT(SIZE, "64KiB", "64KiB");
	EXPECT(SIZE, "1024KiB", "1MiB");
	EXPECT(SIZE, "500B", "500B");
	EXPECT(SIZE, "1TiB", "1TiB");
	EXPECT(SIZE, "0B", "0B");
	EXPECT(SIZE, "64K", "!");
	EXPECT(SIZE, "64kB", "!");
	EXPECT(SIZE, "16777216TiB", "!");
	EXPECT(BYTERATE, "500B/s", "500B/s");
	EXPECT(BYTERATE, "500B", "!");
}

static void rates_say_events_per_time(void **state)
{
	struct rate r;
	const char *why;

	(void)state;
	EXPECT(RATE, "10/s", "10/s");
	EXPECT(RATE, "5/m", "5/m");
	EXPECT(RATE, "100/h", "100/h");
	EXPECT(RATE, "100/10s", "100/10s");
	EXPECT(RATE, "1/60s", "1/m");
	EXPECT(RATE, "10", "!");
	EXPECT(RATE, "10/", "!");
	EXPECT(RATE, "/s", "!");
	EXPECT(RATE, "0/s", "!");
	EXPECT(RATE, "10/0s", "!");
	EXPECT(RATE, "10/169h", "!");
	EXPECT(RATE, "1000000001/h", "!");
	EXPECT(RATE, "1000000000/500ms", "!");
	assert_true(parse(TYPE_RATE, S("100/10s"), &r, &why));
	assert_int_equal(r.count, 100);
	assert_int_equal(r.per_ns, 10 * NS_PER_S);
}

static void networks_have_no_bits_behind_their_length(void **state)
{
	(void)state;
	EXPECT(CIDRS, "10.0.0.0/8", "10.0.0.0/8");
	EXPECT(CIDRS, "192.0.2.1", "192.0.2.1/32");
	EXPECT(CIDRS, "0.0.0.0/0", "0.0.0.0/0");
	EXPECT(CIDRS, "::1", "::1/128");
	EXPECT(CIDRS, "2001:db8::/32", "2001:db8::/32");
	EXPECT(CIDRS, "::/0", "::/0");
	EXPECT(CIDRS, "10.0.0.1/8", "!");
	EXPECT(CIDRS, "10.0.0.0/33", "!");
	EXPECT(CIDRS, "10.0.0.0/", "!");
	EXPECT(CIDRS, "2001:db8::1/32", "!");
	EXPECT(CIDRS, "10.0.0", "!");
	EXPECT(CIDRS, "10.0.0.0/8/8", "!");
	EXPECT(CIDRS, "localhost", "!");
	EXPECT(CIDRS, "10.0.0.0\0/8", "!");
}

static bool has(const char *net, const char *ip)
{
	struct cidr one;
	const struct config_cidrs nets = { &one, 1 };
	struct in6_addr address;
	const char *why;
	bool v4;

	assert_true(parse(TYPE_CIDRS, slice_of(net), &one, &why));
	assert_true(ip_read(slice_of(ip), &address, &v4));
	return cidrs_have(&nets, &address);
}

static void an_address_is_found_in_its_network_and_in_no_other(void **state)
{
	(void)state;
	assert_true(has("10.0.0.0/8", "10.255.0.1"));
	assert_false(has("10.0.0.0/8", "11.0.0.1"));
	assert_true(has("10.128.0.0/9", "10.128.0.0"));
	assert_false(has("10.128.0.0/9", "10.127.255.255"));
	assert_true(has("192.0.2.1", "192.0.2.1"));
	assert_false(has("192.0.2.1", "192.0.2.0"));
	assert_true(has("0.0.0.0/0", "1.2.3.4"));
	assert_false(has("0.0.0.0/0", "2001:db8::1"));
	assert_true(has("::/0", "1.2.3.4"));
	assert_true(has("2001:db8::/33", "2001:db8:7fff::1"));
	assert_false(has("2001:db8::/33", "2001:db8:8000::1"));
	assert_false(cidrs_have(&(struct config_cidrs){ 0 }, &in6addr_loopback));
}

static void names_are_of_few_characters(void **state)
{
	(void)state;
	EXPECT(NAME, "a", "a");
	EXPECT(NAME, "0-a_b.c", "0-a_b.c");
	EXPECT(NAME, "-a", "!");
	EXPECT(NAME, "A", "!");
	EXPECT(NAME, "a b", "!");
	EXPECT(NAME, "a\0b", "!");
	EXPECT(NAME, "", "!");
	EXPECT(NAME, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	EXPECT(NAME, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "!");
}

static void hosts_become_lower_case_and_have_no_port(void **state)
{
	(void)state;
	EXPECT(HOST, "Cloud.Example.COM", "cloud.example.com");
	EXPECT(HOST, "*.Example.com", "*.example.com");
	EXPECT(HOST, "localhost", "localhost");
	EXPECT(HOST, "127.0.0.1", "127.0.0.1");
	EXPECT(HOST, "[::1]", "[::1]");
	EXPECT(HOST, "*", "!");
	EXPECT(HOST, "*.", "!");
	EXPECT(HOST, "a.*.b", "!");
	EXPECT(HOST, "*.127.0.0.1", "!");
	EXPECT(HOST, "a:80", "!");
	EXPECT(HOST, "a..b", "!");
	EXPECT(HOST, "a.", "!");
	EXPECT(HOST, "-a", "!");
	EXPECT(HOST, "[::1", "!");
	EXPECT(HOST, "a/b", "!");
	EXPECT(HOST, "\xc3\xa9.example", "!");
}

static void paths_take_the_form_that_requests_take(void **state)
{
	(void)state;
	EXPECT(PATH, "/", "/");
	EXPECT(PATH, "/*", "/*");
	EXPECT(PATH, "/a/*", "/a/*");
	EXPECT(PATH, "/%41%7e", "/A~");
	EXPECT(PATH, "/a%3ab%24%40", "/a:b$@");
	EXPECT(PATH, "/a%7bx%7d%5B", "/a%7Bx%7D%5B");
	EXPECT(PATH, "/a%2a", "/a%2A");
	EXPECT(PATH, "/a[b]", "/a%5Bb%5D");
	EXPECT(PATH, "/a;b", "!");
	EXPECT(PATH, "/a%3Bb", "!");
	EXPECT(PATH, "/a%3b/*", "!");
	EXPECT(PATH, "/\xc3\xa9", "/%C3%A9");
	EXPECT(PATH, "/a.b/..c", "/a.b/..c");
	EXPECT(PATH, "", "!");
	EXPECT(PATH, "a", "!");
	EXPECT(PATH, "/a//b", "!");
	EXPECT(PATH, "/a/../b", "!");
	EXPECT(PATH, "/a/.", "!");
	EXPECT(PATH, "/a/%2e%2E/b", "!");
	EXPECT(PATH, "/a/..;x/b", "!");
	EXPECT(PATH, "/a%2fb", "!");
	EXPECT(PATH, "/a%5Cb", "!");
	EXPECT(PATH, "/a%00", "!");
	EXPECT(PATH, "/a%4", "!");
	EXPECT(PATH, "/a*", "!");
	EXPECT(PATH, "/*/a", "!");
	EXPECT(PATH, "/a?b", "!");
	EXPECT(PATH, "/a b", "!");
	EXPECT(PATH, "/a\0", "!");
	EXPECT(PATH, "//*", "!");
}

static void addresses_have_an_ip_and_a_port(void **state)
{
	(void)state;
	EXPECT(ADDRESS, "0.0.0.0:443", "0.0.0.0:443");
	EXPECT(ADDRESS, "[::]:443", "[::]:443");
	EXPECT(ADDRESS, "[::1]:65535", "[::1]:65535");
	EXPECT(ADDRESS, "0.0.0.0", "!");
	EXPECT(ADDRESS, "0.0.0.0:0", "!");
	EXPECT(ADDRESS, "0.0.0.0:65536", "!");
	EXPECT(ADDRESS, "0.0.0.0:", "!");
	EXPECT(ADDRESS, ":443", "!");
	EXPECT(ADDRESS, "::1:443", "!");
	EXPECT(ADDRESS, "[1.2.3.4]:443", "!");
	EXPECT(ADDRESS, "[::1]443", "!");
	EXPECT(ADDRESS, "[::1", "!");
	EXPECT(ADDRESS, "localhost:443", "!");
}

static void urls_are_http_or_https_and_carry_no_credentials(void **state)
{
	struct url url;
	const char *why = NULL;

	(void)state;
	EXPECT(URL, "https://a.example/", "https://a.example/");
	EXPECT(URL, "http://[::1]:80", "http://[::1]:80");
	EXPECT(URL, "ftp://a", "!");
	EXPECT(URL, "https://", "!");
	EXPECT(URL, "https://u:p@a/", "!");
	EXPECT(URL, "https://a/#x", "!");
	EXPECT(URL, "https://a b/", "!");
	EXPECT(URL, "https://a:0/", "!");
	EXPECT(URL, "https://a:/", "!");
	EXPECT(URL, "https://[::1/", "!");
	EXPECT(URL, "https://[1.2.3.4]/", "!");
	assert_true(url_split(S("https://[::1]:8443/a?b"), &url, &why));
	assert_true(url.https);
	assert_true(slice_same(url.host, S("::1")));
	assert_int_equal(url.port, 8443);
	assert_true(slice_same(url.rest, S("/a?b")));
}

static void texts_hold_no_control_characters(void **state)
{
	(void)state;
	EXPECT(TEXT, "a \xc3\xa9", "a \xc3\xa9");
	EXPECT(TEXT, "", "!");
	EXPECT(TEXT, "a\nb", "!");
	EXPECT(TEXT, "a\0b", "!");
	EXPECT(TEXT, "a\x7f", "!");
}

static void a_secret_has_32_bytes_and_is_never_written(void **state)
{
	(void)state;
	EXPECT(SECRETS, "0123456789abcdef0123456789abcdef", "***");
	EXPECT(SECRETS, "0123456789abcdef0123456789abcde", "!");
}

/* ---- the table itself ---- */

static void check_number(const struct scope *s, const struct row *r)
{
	const struct type *t = &types[r->type];
	uint64_t least = 0, most = 0, def = 0;
	const char *why;

	if (!r->min[0]) {
		fail_msg("%s.%s has no range", s->name, r->name);
		return;
	}
	assert_true(parse(r->type, slice_of(r->min), &least, &why));
	assert_true(parse(r->type, slice_of(r->max), &most, &why));
	assert_true(type_number(t, &least) < type_number(t, &most));
	if (!r->def || !r->def[0])
		return;
	assert_true(parse(r->type, slice_of(r->def), &def, &why));
	assert_in_range(type_number(t, &def), type_number(t, &least), type_number(t, &most));
}

static void check_default(const struct row *r)
{
	_Alignas(16) unsigned char value[64];
	struct slice rest = slice_of(r->def);
	const char *why;

	do
		assert_true(!rest.len || parse(r->type, slice_cut(&rest, ','), value, &why));
	while (rest.len);
}

static void check_row(const struct scope *s, const struct row *r)
{
	bool known = false;

	assert_true(r->text[0]);
	if (r->kind == ROW_WORDS) {
		for (size_t i = 0; row_word(r, i).at; i++)
			known |= slice_same(row_word(r, i), slice_of(r->def));
		assert_true(known);
	}
	if (r->kind != ROW_OPTION)
		return;
	if (types[r->type].number)
		check_number(s, r);
	else
		assert_string_equal(r->min, "");
	if (r->def && r->def[0])
		check_default(r);
}

static void every_default_and_range_of_the_table_parses_and_lies_within(void **state)
{
	const struct scope *s;
	size_t rows = 0;

	(void)state;
	for (size_t i = 0; (s = table_scope(i)); i++)
		for (size_t j = 0; j < s->rows_len; j++, rows++)
			check_row(s, &s->rows[j]);
	assert_true(rows > 100);
}

static void nothing_must_be_written_in_a_group_that_may_be_left_out(void **state)
{
	const struct scope *s;

	(void)state;
	for (size_t i = 0; (s = table_scope(i)); i++)
		for (size_t j = 0; j < s->rows_len; j++) {
			if (s->rows[j].kind != ROW_GROUP)
				continue;
			const struct scope *below = s->rows[j].scope();
			for (size_t k = 0; k < below->rows_len; k++)
				assert_true(below->rows[k].kind != ROW_OPTION || below->rows[k].def);
		}
}

static void count_scope(void *with, const struct scope *s)
{
	assert_non_null(s->text);
	++*(size_t *)with;
}

static void a_walk_meets_every_scope_once(void **state)
{
	size_t met = 0, scopes = 0;

	(void)state;
	while (table_scope(scopes)) {
		assert_true(table_scope(scopes)->rows_len <= 64);
		scopes++;
	}
	table_walk(count_scope, &met);
	assert_int_equal(met, scopes);
	assert_true(scopes <= 64);
}

static int drop_store(void **state)
{
	(void)state;
	store_free(&store);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_descriptor_is_no_log_file_however_it_is_spelled),
		cmocka_unit_test(numbers_have_digits_only),
		cmocka_unit_test(durations_need_their_unit),
		cmocka_unit_test(sizes_are_binary_and_written_so),
		cmocka_unit_test(rates_say_events_per_time),
		cmocka_unit_test(networks_have_no_bits_behind_their_length),
		cmocka_unit_test(an_address_is_found_in_its_network_and_in_no_other),
		cmocka_unit_test(names_are_of_few_characters),
		cmocka_unit_test(hosts_become_lower_case_and_have_no_port),
		cmocka_unit_test(paths_take_the_form_that_requests_take),
		cmocka_unit_test(addresses_have_an_ip_and_a_port),
		cmocka_unit_test(urls_are_http_or_https_and_carry_no_credentials),
		cmocka_unit_test(texts_hold_no_control_characters),
		cmocka_unit_test(a_secret_has_32_bytes_and_is_never_written),
		cmocka_unit_test(every_default_and_range_of_the_table_parses_and_lies_within),
		cmocka_unit_test(nothing_must_be_written_in_a_group_that_may_be_left_out),
		cmocka_unit_test(a_walk_meets_every_scope_once),
	};

	return cmocka_run_group_tests(tests, NULL, drop_store);
}
