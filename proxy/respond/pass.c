/* pass.c -- the upstream's head fields on their way to the client. */
#include "respond/answer.h"
#include "base/stamp.h"

/* Fields that concern one connection only, or that http/ sets itself (RFC 9110 section 7.6.1). */
static bool is_of_the_hop(enum header_id id)
{
	switch (id) {
	case HEADER_CONNECTION:
	case HEADER_KEEP_ALIVE:
	case HEADER_PROXY_CONNECTION:
	case HEADER_PROXY_AUTHENTICATE:
	case HEADER_PROXY_AUTHORIZATION:
	case HEADER_TRANSFER_ENCODING:
	case HEADER_CONTENT_LENGTH:
	case HEADER_TE:
	case HEADER_UPGRADE:
	case HEADER_HTTP2_SETTINGS:
		return true;
	default:
		return false;
	}
}

/* Sallyport-Reason and its like are ours alone, under every spelling that somebody folds to the same name. */
static bool is_ours(struct slice name)
{
	return slice_reads_as(slice_head(name, 10), S("sallyport-"));
}

static void drop_name(struct headers *f, struct slice name)
{
	for (uint16_t i = 0; i < f->len; i++)
		if (slice_same_nocase(f->at[i].name, name))
			f->at[i].dropped = true;
}

static void drop_nominated(struct headers *f)
{
	for (uint16_t i = 0; i < f->len; i++) {
		struct slice list = f->at[i].value;
		if (f->at[i].id != HEADER_CONNECTION)
			continue;
		while (list.len) {
			struct slice name = slice_trim(slice_cut(&list, ','));
			if (name.len)
				drop_name(f, name);
		}
	}
}

static void drop_foreign(const struct request *r, struct headers *f)
{
	for (uint16_t i = 0; i < f->len; i++) {
		struct header *h = &f->at[i];
		if (r->status == 426 && r->version == 11 && h->id == HEADER_UPGRADE)
			h->dropped = false; /* what the client is to change to (RFC 9110 section 15.5.22) */
		else if (is_of_the_hop(h->id) || is_ours(h->name) || (h->id == HEADER_TRAILER && r->version == 10))
			h->dropped = true;
	}
}

/* Fields that the operator may not change: they would break the message. */
static bool is_fixed(struct slice name)
{
	return is_of_the_hop(header_id(name)) || is_ours(name);
}

static void add_configured(const struct config_headers *changes, struct headers *f)
{
	for (size_t i = 0; changes && i < changes->remove.len; i++)
		drop_name(f, changes->remove.at[i]);
	for (size_t i = 0; changes && i < changes->set.len; i++)
		if (!is_fixed(changes->set.at[i].name))
			drop_name(f, changes->set.at[i].name);
	for (size_t i = 0; changes && i < changes->set.len; i++)
		if (!is_fixed(changes->set.at[i].name))
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

	drop_nominated(fields);
	drop_foreign(r, fields);
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
