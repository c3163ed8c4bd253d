/* hello.c -- the ClientHello (RFC 8446 section 4.1.2) from the raw bytes of its records, read strictly: what
 * is malformed here would be refused by any TLS library too, only later and dearer. */
#include "tls/ja4.h"
#include "tls/tls.h"

#define MESSAGE_MAX 16384 /* bytes of the handshake message, without its head of 4 */
#define RECORDS_MAX 64    /* records over which it may be spread */

enum { HANDSHAKE = 22, CLIENT_HELLO = 1 };
enum {
	SERVER_NAME = 0,
	SIGNATURE_ALGORITHMS = 13,
	ALPN = 16,
	SESSION_TICKET = 35,
	PRE_SHARED_KEY = 41,
	SUPPORTED_VERSIONS = 43
};

struct cursor {
	const unsigned char *at;
	size_t left;
	bool bad;
};

static uint32_t number(struct cursor *c, size_t bytes)
{
	uint32_t n = 0;

	if (c->left < bytes) {
		*c = (struct cursor){ c->at, 0, true };
		return 0;
	}
	for (size_t i = 0; i < bytes; i++)
		n = n << 8 | c->at[i];
	c->at += bytes;
	c->left -= bytes;
	return n;
}

/* A vector behind its length of `bytes` bytes, which is within least and most. */
static struct cursor vector(struct cursor *c, size_t bytes, size_t least, size_t most)
{
	uint32_t len = number(c, bytes);
	struct cursor part = { c->at, len, false };

	if (c->bad || len > c->left || len < least || len > most) {
		*c = (struct cursor){ c->at, 0, true };
		return *c;
	}
	c->at += len;
	c->left -= len;
	return part;
}

/* ---- records (RFC 8446 section 5.1) ---- */

struct tls_record {
	const unsigned char *at;
	size_t have, len;
}; /* have < len: the payload is not all there */

static enum hello_result next_record(struct cursor *c, bool first, struct tls_record *to)
{
	static const unsigned char begins[] = { HANDSHAKE, 3 };

	for (size_t i = 0; i < sizeof begins && i < c->left; i++)
		if (c->at[i] != begins[i])
			return first ? HELLO_NOT_TLS : HELLO_BAD;
	if (c->left < 5)
		return HELLO_MORE;
	to->len = (size_t)c->at[3] << 8 | c->at[4];
	to->at = c->at + 5;
	to->have = c->left - 5 < to->len ? c->left - 5 : to->len;
	c->at += 5 + to->have;
	c->left -= 5 + to->have;
	return to->len == 0 || to->len > 16384 ? HELLO_BAD : HELLO_DONE;
}

/* Length of the message with its head, once four bytes of it are there. */
static enum hello_result message_len(const unsigned char *at, size_t have, size_t *len)
{
	if (have && at[0] != CLIENT_HELLO)
		return HELLO_BAD;
	if (have < 4)
		return HELLO_MORE;
	*len = 4 + ((size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3]);
	return *len > 4 + MESSAGE_MAX ? HELLO_BAD : HELLO_DONE;
}

/* A message spread over several records, the first of which is known. */
static enum hello_result join(struct cursor *c, struct tls_record r, struct cursor *message)
{
	static unsigned char joined[4 + MESSAGE_MAX];
	size_t have = 0, len = 0;

	for (unsigned records = 1;; records++) {
		if (records > RECORDS_MAX || r.have > sizeof joined - have)
			return HELLO_BAD;
		memcpy(joined + have, r.at, r.have);
		have += r.have;
		enum hello_result result = message_len(joined, have, &len);
		if (result == HELLO_BAD || (result == HELLO_DONE && have > len))
			return HELLO_BAD;
		if (result == HELLO_DONE && have == len)
			break;
		if (r.have < r.len)
			return HELLO_MORE;
		result = next_record(c, false, &r);
		if (result != HELLO_DONE)
			return result;
	}
	*message = (struct cursor){ joined + 4, len - 4, false };
	return r.have == r.len ? HELLO_DONE : HELLO_BAD; /* nothing follows the message in its record */
}

/* The message out of its records; in place where one holds it. Linear, and cheap while it is incomplete. */
static enum hello_result unwrap(struct slice bytes, struct cursor *message)
{
	struct cursor c = { (const unsigned char *)bytes.at, bytes.len, false };
	struct tls_record r;
	size_t len = 0;
	enum hello_result result = next_record(&c, true, &r);

	if (result != HELLO_DONE)
		return result;
	result = message_len(r.at, r.have, &len);
	if (result == HELLO_BAD || (result == HELLO_DONE && len < r.len))
		return HELLO_BAD;
	if (r.have < r.len)
		return HELLO_MORE;
	if (result == HELLO_MORE || len > r.len)
		return join(&c, r, message);
	*message = (struct cursor){ r.at + 4, len - 4, false };
	return HELLO_DONE;
}

/* ---- extensions: each returns false where it is malformed ---- */

/* Letters, digits, hyphen, underscore; dots between labels. */
static bool is_name(const unsigned char *at, size_t len)
{
	unsigned char before = '.';

	for (size_t i = 0; i < len; i++) {
		unsigned char c = at[i], small = c | 0x20;
		bool letter = (small >= 'a' && small <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
		if (!letter && (c != '.' || before == '.'))
			return false;
		before = c;
	}
	return before != '.';
}

static bool read_name(struct cursor *body, struct hello *to)
{
	struct cursor names = vector(body, 2, 4, 65535);
	uint32_t type = number(&names, 1);
	struct cursor name = vector(&names, 2, 1, 255);

	if (body->bad || names.bad || names.left || type != 0)
		return false;
	if (name.left > 1 && name.at[name.left - 1] == '.')
		name.left--; /* forbidden (RFC 6066 section 3), sent nevertheless, harmless */
	if (!is_name(name.at, name.left))
		return false;
	for (size_t i = 0; i < name.left; i++)
		to->server_name_lower[i] = slice_lower((char)name.at[i]);
	to->server_name = (struct slice){ to->server_name_lower, name.left };
	return true;
}

static bool read_alpn(struct cursor *body, struct hello *to, struct ja4_facts *f)
{
	struct cursor names = vector(body, 2, 2, 65535);

	while (names.left) {
		struct cursor name = vector(&names, 1, 1, 255);
		struct slice s = { (const char *)name.at, name.left };
		if (!f->protocol.len)
			f->protocol = s;
		to->offers_h2 |= slice_same(s, S("h2"));
		to->offers_h1 |= slice_same(s, S("http/1.1"));
	}
	return !body->bad && !names.bad;
}

static bool read_versions(struct cursor *body, struct hello *to, struct ja4_facts *f)
{
	struct cursor versions = vector(body, 1, 2, 254);

	f->version = 0;
	while (versions.left) {
		uint32_t v = number(&versions, 2);
		if (!is_grease(v) && v > f->version)
			f->version = (uint16_t)v;
		to->offers_tls13 |= v == 0x0304;
	}
	return !body->bad && !versions.bad;
}

static bool read_list(struct cursor *list, uint16_t *at, size_t most, size_t *len)
{
	while (list->left) {
		uint32_t n = number(list, 2);
		if (list->bad || (!is_grease(n) && *len == most))
			return false;
		if (!is_grease(n))
			at[(*len)++] = (uint16_t)n;
	}
	return !list->bad;
}

static bool read_extension(uint32_t type, struct cursor *body, struct hello *to, struct ja4_facts *f)
{
	struct cursor list;

	switch (type) {
	case SERVER_NAME:
		f->has_name = true;
		return read_name(body, to) && !body->left;
	case SIGNATURE_ALGORITHMS:
		list = vector(body, 2, 2, 65534);
		return !list.bad && read_list(&list, f->algorithms, ALGORITHMS_MAX, &f->algorithms_len) &&
		       !body->left;
	case ALPN:
		return read_alpn(body, to, f) && !body->left;
	case SUPPORTED_VERSIONS:
		return read_versions(body, to, f) && !body->left;
	case SESSION_TICKET:
		to->has_ticket |= body->left > 0;
		return true;
	case PRE_SHARED_KEY:
		to->has_ticket = true;
		return true;
	default:
		return true;
	}
}

static bool is_repeated(const struct ja4_facts *f, uint32_t type)
{
	for (size_t i = 0; i < f->extensions_len; i++)
		if (f->extensions[i] == type)
			return true;
	return false;
}

/* None twice, and pre_shared_key last (RFC 8446 section 4.2). */
static bool read_extensions(struct cursor *c, struct hello *to, struct ja4_facts *f)
{
	struct cursor all = vector(c, 2, 0, 65535);
	bool last = false;

	while (all.left) {
		uint32_t type = number(&all, 2);
		struct cursor body = vector(&all, 2, 0, 65535);
		if (all.bad || last || is_repeated(f, type) || !read_extension(type, &body, to, f))
			return false;
		last = type == PRE_SHARED_KEY;
		if (is_grease(type))
			continue;
		if (f->extensions_len == EXTENSIONS_MAX)
			return false;
		f->extensions[f->extensions_len++] = (uint16_t)type;
	}
	return !c->bad && !all.bad && !c->left;
}

enum hello_result hello_read(struct slice bytes, struct hello *to)
{
	struct cursor c;
	struct ja4_facts f;
	enum hello_result result = unwrap(bytes, &c);

	memset(to, 0, sizeof *to);
	if (result != HELLO_DONE)
		return result;
	f.ciphers_len = f.extensions_len = f.algorithms_len = 0;
	f.has_name = false;
	f.protocol = (struct slice){ "", 0 };
	f.version = (uint16_t)number(&c, 2); /* whatever it says: the library chooses one below */
	for (int i = 0; i < 8; i++)
		number(&c, 4);    /* random */
	vector(&c, 1, 0, 32); /* session id */
	struct cursor ciphers = vector(&c, 2, 2, 65534);
	struct cursor compression = vector(&c, 1, 1, 255);
	if (c.bad || !memchr(compression.at, 0, compression.left) ||
	    !read_list(&ciphers, f.ciphers, CIPHERS_MAX, &f.ciphers_len) ||
	    (c.left && !read_extensions(&c, to, &f)))
		return HELLO_BAD;
	ja4_write(&f, to->ja4, to->ja4_key);
	return HELLO_DONE;
}
