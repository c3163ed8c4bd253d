/* upstream_reply.c -- the upstream's head fields on their way to the client. */
#include "respond/answer.h"
#include "base/stamp.h"

static void drop_name(struct headers *f, struct slice name)
{
	for (uint16_t i = 0; i < f->len; i++)
		if (slice_same_nocase(f->at[i].name, name))
			f->at[i].dropped = true;
}

/* config/ lets nobody change what frames the message, nor ours. */
static void add_configured(const struct config_headers *changes, struct headers *f)
{
	for (size_t i = 0; changes && i < changes->remove.len; i++)
		drop_name(f, changes->remove.at[i]);
	for (size_t i = 0; changes && i < changes->set.len; i++)
		drop_name(f, changes->set.at[i].name);
	for (size_t i = 0; changes && i < changes->set.len; i++)
		headers_add(f, changes->set.at[i].name, changes->set.at[i].value);
}

static void add_cors(const struct request *r, struct headers *f)
{
	struct cors_grant g = cors_grant(r);

	if (!g.vary || headers_find_name(f, S("access-control-allow-origin")))
		return;
	headers_add(f, S("Vary"), S("Origin"));
	if (g.origin.len)
		headers_add(f, S("Access-Control-Allow-Origin"), g.origin);
	if (g.origin.len && g.credentials)
		headers_add(f, S("Access-Control-Allow-Credentials"), S("true"));
}

/* Room for what is added, in a larger table where the given one is full. */
static void make_room(struct request *r, struct headers *f, const struct config_headers *changes)
{
	size_t want = (size_t)f->len + 8 + (changes ? changes->set.len : 0);
	struct header *larger;

	if (want <= f->cap || want > UINT16_MAX || !(larger = arena_take(&r->arena, want * sizeof *larger)))
		return;
	memcpy(larger, f->at, f->len * sizeof *larger);
	f->at = larger;
	f->cap = (uint16_t)want;
}

/* RFC 9110 section 6.6.1 */
static void add_date(struct request *r, struct headers *f, uint64_t wall_ns)
{
	char store[40];
	struct text date = TEXT(store);

	if (headers_find(f, HEADER_DATE))
		return;
	stamp_http(&date, wall_ns);
	struct slice kept = arena_copy(&r->arena, text_slice(&date));
	if (kept.at)
		headers_add_as(f, HEADER_DATE, S("Date"), kept);
}

void respond_fields(struct request *r, struct headers *fields, unsigned version, uint64_t wall_ns)
{
	const struct config_headers *changes = r->route ? r->route->response_headers : NULL;

	request_strip_answer(r, fields, r->status);
	make_room(r, fields, changes);
	add_date(r, fields, wall_ns);
	headers_add_as(fields, HEADER_VIA, S("Via"), version == 10 ? S("1.0 sallyport") : S("1.1 sallyport"));
	headers_add_as(fields, HEADER_OTHER, S("Sallyport-Request-Id"), slice_of(r->id));
	if (r->rate_limit_policy.len)
		headers_add(fields, S("RateLimit-Policy"), r->rate_limit_policy);
	if (r->rate_limit.len)
		headers_add(fields, S("RateLimit"), r->rate_limit);
	if (r->issuer_state.len)
		headers_add(fields, S("Sallyport-Issuer-State"), r->issuer_state);
	add_cors(r, fields);
	add_configured(changes, fields);
}
