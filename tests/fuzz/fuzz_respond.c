/* fuzz_respond.c -- a request of arbitrary bytes: its answer's fields have no control character, answer and
 * log line are valid JSON of bounded length. The input's lines are method, path, query, host, and values of
 * Accept, Origin, User-Agent and Authorization. */
#include "base/check.h"
#include "respond/respond.h"
#include <jansson.h>

static struct request r;
static struct header fields[4];
static bool json;

static bool on_head(struct request *q, const struct response *head)
{
	(void)q;
	for (uint16_t i = 0; i < head->fields->len; i++)
		check(header_is_value(head->fields->at[i].value) && header_is_name(head->fields->at[i].name));
	const struct header *type = headers_find(head->fields, HEADER_CONTENT_TYPE);
	json = type && slice_same(type->value, S("application/problem+json"));
	return true;
}

static void check_json(struct slice s)
{
	json_t *o = json_loadb(s.at, s.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);

	check(o);
	json_decref(o);
}

static bool on_body(struct request *q, struct slice body)
{
	(void)q;
	check(body.len < RESPOND_OWN_MAX);
	if (json)
		check_json(body);
	return true;
}

static bool on_end(struct request *q, const struct headers *trailers)
{
	(void)q;
	return !trailers;
}

/* Values as the readers of http/ let them through: no control character but a tab, no space around. */
static void add(enum header_id id, struct slice value)
{
	value = slice_trim(value);
	if (header_is_value(value))
		headers_add(&r.headers, header_names[id], value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static _Alignas(max_align_t) char memory[65536];
	static struct config config;
	static struct client_facts client_facts;
	static const struct client_ops ops = { .head = on_head, .body = on_body, .end = on_end };
	static struct slice origins[1];
	struct slice rest = { (const char *)data, size };
	struct config_cors cors = { .origins = { origins, 1 }, .credentials = true };
	struct config_route route = { .name = S("r"), .cors = &cors };
	char line[RESPOND_LOG_MAX];
	struct text log = TEXT(line);

	if (size < 2 || size > 60000)
		return 0;
	origins[0] = S("https://a.example");
	r = (struct request){ .config = &config, .client_facts = &client_facts, .ops = &ops };
	memset(r.id, 'a', sizeof r.id - 1); /* every request has been given its names */
	memset(r.span, 'b', sizeof r.span - 1);
	r.version = data[1] & 1 ? 20 : 11;
	arena_init(&r.arena, memory, sizeof memory);
	r.fault = (uint8_t)(data[0] % FAULTS);
	r.route = data[1] & 2 ? &route : NULL;
	rest = slice_from(rest, 2);
	r.method = slice_cut(&rest, '\n');
	r.target = r.path = slice_cut(&rest, '\n');
	r.query = slice_cut(&rest, '\n');
	r.host = slice_cut(&rest, '\n');
	r.headers = (struct headers){ fields, 0, 4 };
	add(HEADER_ACCEPT, slice_cut(&rest, '\n'));
	add(HEADER_ORIGIN, slice_cut(&rest, '\n'));
	add(HEADER_USER_AGENT, slice_cut(&rest, '\n'));
	add(HEADER_AUTHORIZATION, slice_cut(&rest, '\n'));
	respond_own(&r, 0);
	respond_log(&r, 0, 0, &log);
	check_json(text_slice(&log));
	return 0;
}
