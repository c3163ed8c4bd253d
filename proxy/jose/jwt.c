/* Takes a compact JWS apart. */
#include "jose/jwt.h"
#include "base/strict.h"
#include "base/text.h"

/* Also with application/ before it (RFC 7515 section 4.1.9). */
static bool is_type(const json_t *header, enum jwt_type wanted)
{
	struct slice type = strict_text(header, "typ"), prefix = S("application/");

	if (!type.at)
		return json_object_get(header, "typ") == NULL && wanted == JWT_TOKEN;
	if (slice_same_nocase(slice_head(type, prefix.len), prefix))
		type = slice_from(type, prefix.len);
	if (wanted == JWT_INTROSPECTION)
		return slice_same_nocase(type, S("token-introspection+jwt"));
	return slice_same_nocase(type, S("JWT")) || slice_same_nocase(type, S("at+jwt"));
}

/* A token that brings its own key, or says where to fetch it, is an attack (RFC 8725 section 3.10). NULL, or
 * what is wrong. */
static const char *find_harm(const json_t *header)
{
	static const struct {
		const char *name, *why;
	} refused[] = {
		{ "jwk", "its header brings a key (jwk)" },
		{ "jku", "its header says where to fetch keys (jku)" },
		{ "x5u", "its header says where to fetch a certificate (x5u)" },
		{ "x5c", "its header brings a certificate (x5c)" },
		{ "crit", "its header demands extensions (crit)" },
		{ "b64", "its header has b64" },
		{ "zip", "it is compressed (zip)" },
		{ "enc", "it is encrypted (enc)" },
	};

	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		if (json_object_get(header, refused[i].name))
			return refused[i].why;
	return NULL;
}

static const char *judge_header(const json_t *header, enum jwt_type type, struct slice kid)
{
	if (!json_is_object(header))
		return "its header is no JSON object without doubled members";
	const char *harm = find_harm(header);
	if (harm)
		return harm;
	if (!is_type(header, type))
		return type == JWT_TOKEN ? "its typ is neither JWT nor at+jwt"
		                         : "its typ is not token-introspection+jwt";
	if (json_object_get(header, "kid") && (!kid.len || kid.len > KID_MAX))
		return "its kid is no string of 1 to 255 bytes";
	return NULL;
}

static enum fault read_header(struct slice decoded, enum jwt_type type, struct jwt *to)
{
	json_t *header = strict_read(decoded);
	struct slice kid = strict_text(header, "kid");
	enum fault fault = FAULT_NONE;

	to->why = judge_header(header, type, kid);
	if (to->why)
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

static enum fault malformed(struct jwt *to, const char *why)
{
	to->why = why;
	return FAULT_TOKEN_MALFORMED;
}

enum fault jwt_open(struct slice token, enum jwt_type type, const struct jwt_scratch *scratch, struct jwt *to,
                    struct slice *payload)
{
	struct slice part[3];
	size_t len;

	to->why = NULL;
	if (token.len > scratch->size)
		return malformed(to, "it is too long");
	if (!split(token, part))
		return malformed(to, "it does not have the three parts of a JWT");
	if (!text_base64url_decode(part[0], scratch->decoded, scratch->size, &len))
		return malformed(to, "its header is no canonical base64url");
	enum fault fault = read_header((struct slice){ scratch->decoded, len }, type, to);
	if (fault)
		return fault;
	to->signed_part = (struct slice){ token.at, part[0].len + 1 + part[1].len };
	if (!text_base64url_decode(part[2], to->signature_bytes, sizeof to->signature_bytes, &len))
		return malformed(to, "its signature is no canonical base64url, or too long");
	to->signature = (struct slice){ to->signature_bytes, len };
	if (!text_base64url_decode(part[1], scratch->decoded, scratch->size, &len))
		return malformed(to, "its claims are no canonical base64url");
	*payload = (struct slice){ scratch->decoded, len };
	return FAULT_NONE;
}

enum fault jwt_read(struct slice token, const struct claims_plan *plan, const struct jwt_scratch *scratch,
                    struct jwt *to)
{
	struct slice payload = { 0 };
	enum fault fault = jwt_open(token, JWT_TOKEN, scratch, to, &payload);

	if (fault)
		return fault;
	if (!claims_read(payload, plan, scratch->text, scratch->size, &to->claims, &to->whose))
		return malformed(to, to->claims.why);
	return FAULT_NONE;
}
