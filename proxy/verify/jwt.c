#include "verify/jwt.h"
#include "base/text.h"
#include "verify/strict.h"

/* typ: absent, JWT or at+jwt, the latter two also with application/ before them (RFC 7515 section 4.1.9). */
static bool is_type_ours(const json_t *header)
{
	struct slice type = strict_text(header, "typ"), prefix = S("application/");

	if (!type.at)
		return json_object_get(header, "typ") == NULL;
	if (slice_same_nocase(slice_head(type, prefix.len), prefix))
		type = slice_from(type, prefix.len);
	return slice_same_nocase(type, S("JWT")) || slice_same_nocase(type, S("at+jwt"));
}

/* A token that brings its own key, or says where to fetch it, is an attack (RFC 8725 section 3.10). */
static bool is_harmless(const json_t *header)
{
	static const char *const refused[] = { "jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc" };

	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		if (json_object_get(header, refused[i]))
			return false;
	return true;
}

static enum fault read_header(struct slice decoded, struct jwt *to)
{
	json_t *header = strict_read(decoded);
	const json_t *named = json_object_get(header, "kid");
	struct slice kid = strict_text(header, "kid");
	enum fault fault = FAULT_NONE;

	if (!json_is_object(header) || !is_harmless(header) || !is_type_ours(header) ||
	    (named && (!kid.len || kid.len > KID_MAX)))
		fault = FAULT_TOKEN_MALFORMED;
	else if ((to->alg = alg_named(strict_text(header, "alg"))) == ALG_NONE)
		fault = FAULT_TOKEN_ALGORITHM;
	if (!fault && kid.len)
		memcpy(to->kid_bytes, kid.at, kid.len);
	to->kid = (struct slice){ to->kid_bytes, fault ? 0 : kid.len };
	json_decref(header);
	return fault;
}

static bool split(struct slice token, struct slice part[3])
{
	struct slice rest = token;

	part[0] = slice_cut(&rest, '.');
	part[1] = slice_cut(&rest, '.');
	part[2] = rest;
	return part[0].len && part[1].len && part[2].len && slice_find(rest, '.') == rest.len;
}

bool jwt_is_shaped(struct slice token)
{
	struct slice part[3];

	/* base64url of a brace and whatever follows it */
	return split(token, part) && part[0].len > 1 && part[0].at[0] == 'e' &&
	       strchr("wxyz0123456789-_", part[0].at[1]);
}

enum fault jwt_read(struct slice token, const struct claims_plan *plan, const struct jwt_scratch *scratch,
                    struct jwt *to)
{
	struct slice part[3];
	size_t len;

	if (token.len > scratch->size || !split(token, part))
		return FAULT_TOKEN_MALFORMED;
	if (!text_base64url_decode(part[0], scratch->decoded, scratch->size, &len))
		return FAULT_TOKEN_MALFORMED;
	enum fault fault = read_header((struct slice){ scratch->decoded, len }, to);
	if (fault)
		return fault;
	to->signed_part = (struct slice){ token.at, part[0].len + 1 + part[1].len };
	if (!text_base64url_decode(part[2], to->signature_bytes, sizeof to->signature_bytes, &len))
		return FAULT_TOKEN_MALFORMED;
	to->signature = (struct slice){ to->signature_bytes, len };
	if (!text_base64url_decode(part[1], scratch->decoded, scratch->size, &len) ||
	    !claims_read((struct slice){ scratch->decoded, len }, plan, scratch->text, scratch->size,
	                 &to->claims, &to->whose))
		return FAULT_TOKEN_MALFORMED;
	return FAULT_NONE;
}
