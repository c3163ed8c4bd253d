/* Writes key sets to disk, and reads them after a restart. */
#include "issuer/snapshot.h"
#include "base/log.h"
#include "base/strict.h"
#include "base/text.h"
#include <errno.h>

#define FUTURE_S 300 /* a clock may have been that wrong */

/* ---- the text of one ---- */

char *snapshot_write(const struct config_issuer *issuer, const struct snapshot *from)
{
	json_t *root =
	    json_pack("{s:s%, s:s%, s:s%, s:s, s:I, s:O, s:O}", "name", issuer->id.at, issuer->id.len, "issuer",
	              issuer->issuer.at, issuer->issuer.len, "source", issuer->jwks.len ? issuer->jwks.at : "",
	              issuer->jwks.len, "jwks_uri", from->jwks_uri, "fetched", (json_int_t)from->fetched_wall_s,
	              "keys", from->keys, "doubtful", from->doubtful);
	char *text = root ? json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

	json_decref(root);
	return text;
}

static json_t *usable(const json_t *keys, const char **why)
{
	char *text = jwks_text(keys);
	json_t *usable = text ? jwks_keys(slice_of(text), why) : NULL;

	free(text);
	return usable;
}

/* NULL, or why this one is not believed although we wrote it. */
static const char *judge(const json_t *root, const struct config_issuer *issuer, uint64_t oldest_s,
                         uint64_t latest_s, enum statedir_refusal *refusal)
{
	json_int_t fetched = json_integer_value(json_object_get(root, "fetched"));

	if (!slice_same(strict_text(root, "name"), issuer->id) ||
	    !slice_same(strict_text(root, "issuer"), issuer->issuer) ||
	    !slice_same(strict_text(root, "source"), issuer->jwks)) {
		*refusal = STATEDIR_FOREIGN;
		return "it is of another issuer";
	}
	if (fetched <= 0 || (uint64_t)fetched > latest_s) {
		*refusal = STATEDIR_FUTURE;
		return "it says to be from the future";
	}
	*refusal = STATEDIR_OLDER;
	return (uint64_t)fetched < oldest_s ? "a newer one had been written" : NULL;
}

const char *snapshot_read(const json_t *root, const struct config_issuer *issuer, uint64_t oldest_s,
                          uint64_t latest_s, struct snapshot *to, enum statedir_refusal *refusal)
{
	struct text t = TEXT(to->jwks_uri);
	const char *none, *why = judge(root, issuer, oldest_s, latest_s, refusal);

	to->keys = to->doubtful = NULL;
	if (why)
		return why;
	*refusal = STATEDIR_CHANGED;
	why = "they cannot be read";
	to->keys = usable(json_object_get(root, "keys"), &why);
	if (!to->keys)
		return why;
	to->doubtful = usable(json_object_get(root, "doubtful"), &none);
	if (!to->doubtful)
		to->doubtful = json_array();
	to->fetched_wall_s = (uint64_t)json_integer_value(json_object_get(root, "fetched"));
	text_add(&t, strict_text(root, "jwks_uri"));
	if (!text_end(&t) || !jwks_is_safe_url(text_slice(&t)))
		to->jwks_uri[0] = '\0';
	return NULL;
}

void snapshot_free(struct snapshot *s)
{
	json_decref(s->keys);
	json_decref(s->doubtful);
	s->keys = s->doubtful = NULL;
}

/* ---- on disk ---- */

struct snapshots {
	struct statedir *kept;
	json_t *newest; /* name: seconds */
};

struct snapshots *snapshots_open(struct statedir *kept)
{
	struct snapshots *s = kept ? calloc(1, sizeof *s) : NULL;

	if (!s)
		return NULL;
	s->kept = kept;
	s->newest = statedir_read(kept, S("newest"), "", SNAPSHOT_BYTES_MAX);
	if (!json_is_object(s->newest)) {
		json_decref(s->newest);
		s->newest = json_object();
	}
	return s;
}

void snapshots_close(struct snapshots *s)
{
	if (!s)
		return;
	json_decref(s->newest);
	free(s);
}

uint64_t snapshots_newest_s(const struct snapshots *s, const struct config_issuer *issuer)
{
	json_int_t newest = s ? json_integer_value(json_object_get(s->newest, issuer->id.at)) : 0;
	uint64_t floor_s = s ? statedir_counter(s->kept, issuer->id) : 0;

	return newest > 0 && (uint64_t)newest > floor_s ? (uint64_t)newest : floor_s;
}

bool snapshots_load(struct snapshots *s, const struct config_issuer *issuer, uint64_t wall_s,
                    struct snapshot *to)
{
	enum statedir_refusal refusal;
	json_t *root = s ? statedir_read(s->kept, issuer->id, ".json", SNAPSHOT_BYTES_MAX) : NULL;

	if (!root)
		return false;
	const char *why =
	    snapshot_read(root, issuer, snapshots_newest_s(s, issuer), wall_s + FUTURE_S, to, &refusal);
	if (why) {
		statedir_refuse(s->kept, refusal);
		log_warn("the kept keys of issuer %.*s are ignored: %s", SLICE(issuer->id), why);
	}
	json_decref(root);
	return !why;
}

static void remember_newest(struct snapshots *s, const struct config_issuer *issuer, uint64_t fetched_s)
{
	json_object_set_new(s->newest, issuer->id.at, json_integer((json_int_t)fetched_s));
	char *text = json_dumps(s->newest, JSON_COMPACT | JSON_SORT_KEYS);
	if (!text || !statedir_write(s->kept, S("newest"), "", slice_of(text)))
		log_warn("%s/newest cannot be written: %s", s->kept->directory, strerror(errno));
	free(text);
	statedir_set_counter(s->kept, issuer->id, fetched_s);
}

void snapshots_save(struct snapshots *s, const struct config_issuer *issuer, const struct snapshot *from)
{
	if (!s)
		return;
	char *text = snapshot_write(issuer, from);
	if (!text || !statedir_write(s->kept, issuer->id, ".json", slice_of(text)))
		log_warn("the keys of issuer %.*s cannot be kept in %s: %s", SLICE(issuer->id), s->kept->directory,
		         strerror(errno));
	else
		remember_newest(s, issuer, from->fetched_wall_s);
	free(text);
}
