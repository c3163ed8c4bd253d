#include "verify/snapshot.h"
#include "base/log.h"
#include "base/text.h"
#include "verify/strict.h"
#include <errno.h>

#define FILE_MAX (2 * KEYSET_BYTES_MAX)
#define FUTURE_S 300 /* a clock may have been that wrong */

struct snapshots {
	struct kept *kept;
	json_t *newest; /* name: seconds */
};

struct snapshots *snapshots_open(struct kept *kept)
{
	struct snapshots *s = kept ? calloc(1, sizeof *s) : NULL;

	if (!s)
		return NULL;
	s->kept = kept;
	s->newest = kept_take(kept, S("newest"), "", FILE_MAX);
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

/* NULL, or why this one is not believed although we wrote it. */
static const char *judge(const struct snapshots *s, const struct config_issuer *issuer, const json_t *root,
                         uint64_t wall_s, enum kept_refusal *refusal)
{
	json_int_t fetched = json_integer_value(json_object_get(root, "fetched"));
	json_int_t newest = json_integer_value(json_object_get(s->newest, issuer->id.at));
	uint64_t floor_s = kept_floor(s->kept, issuer->id);

	if (!slice_same(strict_text(root, "name"), issuer->id) ||
	    !slice_same(strict_text(root, "issuer"), issuer->issuer) ||
	    !slice_same(strict_text(root, "source"), issuer->jwks)) {
		*refusal = KEPT_FOREIGN;
		return "it is of another issuer";
	}
	if (fetched <= 0 || (uint64_t)fetched > wall_s + FUTURE_S) {
		*refusal = KEPT_FUTURE;
		return "it says to be from the future";
	}
	if (fetched < newest || (uint64_t)fetched < floor_s) {
		*refusal = KEPT_OLDER;
		return "a newer one had been written";
	}
	return NULL;
}

bool snapshots_load(struct snapshots *s, const struct config_issuer *issuer, uint64_t wall_s,
                    struct snapshot *to)
{
	const char *why;
	json_t *root = s ? kept_take(s->kept, issuer->id, ".json", FILE_MAX) : NULL;
	struct text t = TEXT(to->jwks_uri);
	enum kept_refusal refusal = KEPT_CHANGED;

	if (!root)
		return false;
	why = judge(s, issuer, root, wall_s, &refusal);
	char *text = why ? NULL : gather_text(json_object_get(root, "keys"));
	to->keys = text ? gather_keys(slice_of(text), &why) : NULL;
	to->fetched_wall_s = (uint64_t)json_integer_value(json_object_get(root, "fetched"));
	text_add(&t, strict_text(root, "jwks_uri"));
	if (!text_end(&t) || !gather_is_safe_url(text_slice(&t)))
		to->jwks_uri[0] = '\0';
	if (!to->keys)
		kept_refuse(s->kept, refusal);
	if (!to->keys)
		log_warn("the kept keys of issuer %.*s are ignored: %s", SLICE(issuer->id),
		         why ? why : "they cannot be read");
	free(text);
	json_decref(root);
	return to->keys;
}

static void remember_newest(struct snapshots *s, const struct config_issuer *issuer, uint64_t fetched_s)
{
	json_object_set_new(s->newest, issuer->id.at, json_integer((json_int_t)fetched_s));
	char *text = json_dumps(s->newest, JSON_COMPACT | JSON_SORT_KEYS);
	if (!text || !kept_put(s->kept, S("newest"), "", slice_of(text)))
		log_warn("%s/newest cannot be written: %s", s->kept->directory, strerror(errno));
	free(text);
	kept_set_floor(s->kept, issuer->id, fetched_s);
}

void snapshots_save(struct snapshots *s, const struct config_issuer *issuer, const struct snapshot *from)
{
	if (!s)
		return;
	json_t *root = json_pack("{s:s%, s:s%, s:s%, s:s, s:I, s:O}",
	                         "name", issuer->id.at, issuer->id.len,
	                         "issuer", issuer->issuer.at, issuer->issuer.len,
	                         "source", issuer->jwks.len ? issuer->jwks.at : "", issuer->jwks.len,
	                         "jwks_uri", from->jwks_uri,
	                         "fetched", (json_int_t)from->fetched_wall_s, "keys", from->keys);
	char *text = root ? json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	if (!text || !kept_put(s->kept, issuer->id, ".json", slice_of(text)))
		log_warn("the keys of issuer %.*s cannot be kept in %s: %s", SLICE(issuer->id), s->kept->directory,
		         strerror(errno));
	else
		remember_newest(s, issuer, from->fetched_wall_s);
	free(text);
	json_decref(root);
}
