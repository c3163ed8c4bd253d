/* hello.c -- the ClientHello (RFC 8446 section 4.1.2) and its fingerprint JA4, from the raw bytes. */
#include "tls/inside.h"
#include "base/check.h"
#include "base/text.h"
#include <openssl/evp.h>
#include <stdlib.h>

#define HELLO_MAX 16384 /* bytes of the handshake message */
#define LISTED_MAX 99   /* JA4 counts no further */

struct cursor { const unsigned char *at; size_t left; bool bad; };

static uint32_t number(struct cursor *c, size_t bytes)
{
	uint32_t n = 0;

	if (c->left < bytes) {
		c->bad = true;
		return 0;
	}
	for (size_t i = 0; i < bytes; i++)
		n = n << 8 | c->at[i];
	c->at += bytes;
	c->left -= bytes;
	return n;
}

/* A vector behind its length of `bytes` bytes. */
static struct cursor vector(struct cursor *c, size_t bytes)
{
	uint32_t len = number(c, bytes);
	struct cursor part = { c->at, len, false };

	if (c->bad || len > c->left) {
		c->bad = true;
		return (struct cursor){ c->at, 0, true };
	}
	c->at += len;
	c->left -= len;
	return part;
}

/* ---- records ---- */

/* The handshake message out of its records; in place where one record holds it. */
static enum hello_result unwrap(struct slice bytes, struct cursor *message)
{
	static unsigned char joined[HELLO_MAX + 4];
	const unsigned char *b = (const unsigned char *)bytes.at;
	size_t at = 0, have = 0, want = 4;

	while (have < want) {
		if (bytes.len > at && b[at] != 22)
			return at == 0 ? HELLO_NOT_TLS : HELLO_BAD;
		if (bytes.len > at + 1 && b[at + 1] != 3)
			return at == 0 ? HELLO_NOT_TLS : HELLO_BAD;
		if (bytes.len < at + 5)
			return HELLO_MORE;
		size_t len = (size_t)b[at + 3] << 8 | b[at + 4];
		if (len == 0 || len > 16384)
			return HELLO_BAD;
		size_t here = bytes.len - at - 5 < len ? bytes.len - at - 5 : len;
		if (have + here > sizeof joined)
			return HELLO_BAD;
		memcpy(joined + have, b + at + 5, here);
		have += here;
		if (have >= 4) {
			want = 4 + ((size_t)joined[1] << 16 | (size_t)joined[2] << 8 | joined[3]);
			if (joined[0] != 1 || want > sizeof joined)
				return HELLO_BAD;
		}
		if (here < len && have < want)
			return HELLO_MORE;
		at += 5 + len;
	}
	*message = (struct cursor){ joined + 4, want - 4, false };
	return have == want ? HELLO_DONE : HELLO_BAD; /* nothing may follow it in its record */
}

/* ---- what JA4 wants to know ---- */

struct listed { uint16_t at[LISTED_MAX]; size_t len; };

struct facts {
	struct listed ciphers, extensions, algorithms;
	uint16_t version, legacy;
	bool has_name;
	unsigned char alpn[2];  /* first and last byte of the first protocol */
	bool has_alpn;
};

static bool is_grease(uint32_t n) /* RFC 8701 */
{
	return (n & 0x0f0f) == 0x0a0a && (n >> 8 & 0xff) == (n & 0xff);
}

static void list(struct listed *l, uint32_t n)
{
	if (!is_grease(n) && l->len < LISTED_MAX)
		l->at[l->len++] = (uint16_t)n;
}

static bool changes_on_resumption(uint16_t extension)
{
	return extension == 21 || extension == 35 || extension == 41 || extension == 42 || extension == 44;
}

static int ascending(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

static void write_list(struct text *t, const struct listed *l)
{
	for (size_t i = 0; i < l->len; i++) {
		unsigned char two[2] = { (unsigned char)(l->at[i] >> 8), (unsigned char)l->at[i] };
		if (i)
			text_char(t, ',');
		text_hex(t, two, 2);
	}
}

static void write_digest(struct text *t, const struct text *of)
{
	static EVP_MD *sha256;
	static EVP_MD_CTX *ctx;
	unsigned char digest[32];

	if (!sha256) {
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
		ctx = EVP_MD_CTX_new();
		check(sha256 && ctx);
	}
	if (of->len == 0) {
		text_add(t, S("000000000000"));
		return;
	}
	check(EVP_DigestInit_ex2(ctx, sha256, NULL) == 1 && EVP_DigestUpdate(ctx, of->at, of->len) == 1 &&
		EVP_DigestFinal_ex(ctx, digest, NULL) == 1);
	text_hex(t, digest, 6);
}

static const char *version_name(uint16_t v)
{
	return v == 0x0304 ? "13" : v == 0x0303 ? "12" : v == 0x0302 ? "11" : v == 0x0301 ? "10" :
		v == 0x0300 ? "s3" : v == 0x0002 ? "s2" : "00";
}

static bool is_alnum(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void write_head(struct text *t, const struct facts *f, size_t extensions)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char first = f->alpn[0], last = f->alpn[1];

	text_printf(t, "t%s%c%02zu%02zu", version_name(f->version ? f->version : f->legacy),
	            f->has_name ? 'd' : 'i', f->ciphers.len, extensions);
	if (!f->has_alpn) {
		text_add(t, S("00"));
	} else if (is_alnum(first) && is_alnum(last)) {
		text_char(t, (char)first);
		text_char(t, (char)last);
	} else {
		text_char(t, hex[first >> 4]);
		text_char(t, hex[last & 15]);
	}
}

/* JA4 as published (FoxIO, BSD licence): head _ sorted ciphers _ sorted extensions and signature algorithms.
 * `steady`: without the extensions that come and go with resumption. */
static void fingerprint(const struct facts *f, bool steady, char to[static 37])
{
	char bytes[2048];
	struct text t = { .at = to, .cap = 37 }, part = TEXT(bytes);
	struct listed ciphers = f->ciphers, extensions = { .len = 0 };
	size_t counted = 0;

	for (size_t i = 0; i < f->extensions.len; i++) {
		uint16_t e = f->extensions.at[i];
		if (steady && changes_on_resumption(e))
			continue;
		counted++;
		if (e != 0 && e != 16)
			extensions.at[extensions.len++] = e;
	}
	qsort(ciphers.at, ciphers.len, sizeof ciphers.at[0], ascending);
	qsort(extensions.at, extensions.len, sizeof extensions.at[0], ascending);
	write_head(&t, f, counted);
	text_char(&t, '_');
	write_list(&part, &ciphers);
	write_digest(&t, &part);
	text_char(&t, '_');
	part.len = 0;
	write_list(&part, &extensions);
	if (f->algorithms.len && part.len) {
		text_char(&part, '_');
		write_list(&part, &f->algorithms);
	}
	write_digest(&t, &part);
	check(text_end(&t));
}

/* ---- extensions ---- */

static void read_name(struct cursor c, struct hello *to)
{
	struct cursor names = vector(&c, 2);

	if (number(&names, 1) != 0)
		return;
	struct cursor name = vector(&names, 2);
	if (name.bad || name.left == 0 || name.left > 255)
		return;
	to->server_name = (struct slice){ (const char *)name.at, name.left };
	for (size_t i = 0; i < name.left; i++)
		to->server_name_lower[i] = slice_lower((char)name.at[i]);
}

static void read_alpn(struct cursor c, struct hello *to, struct facts *f)
{
	struct cursor names = vector(&c, 2);

	while (names.left && !names.bad) {
		struct cursor name = vector(&names, 1);
		struct slice s = { (const char *)name.at, name.left };
		if (!name.left)
			continue;
		if (!f->has_alpn) {
			f->has_alpn = true;
			f->alpn[0] = name.at[0];
			f->alpn[1] = name.at[name.left - 1];
		}
		to->offers_h2 |= slice_same(s, S("h2"));
		to->offers_h1 |= slice_same(s, S("http/1.1"));
	}
}

static void read_versions(struct cursor c, struct hello *to, struct facts *f)
{
	struct cursor versions = vector(&c, 1);

	while (versions.left >= 2) {
		uint32_t v = number(&versions, 2);
		if (!is_grease(v) && v > f->version)
			f->version = (uint16_t)v;
		to->offers_tls13 |= v == 0x0304;
	}
}

static void read_extension(uint32_t type, struct cursor body, struct hello *to, struct facts *f)
{
	list(&f->extensions, type);
	switch (type) {
	case 0:
		f->has_name = true;
		read_name(body, to);
		break;
	case 13:
		for (struct cursor c = vector(&body, 2); c.left >= 2;)
			list(&f->algorithms, number(&c, 2));
		break;
	case 16:
		read_alpn(body, to, f);
		break;
	case 35:
		to->has_ticket |= body.left > 0;
		break;
	case 41:
		to->has_ticket = true;
		break;
	case 43:
		read_versions(body, to, f);
		break;
	default:
		break;
	}
}

static bool is_host_name(const char *name)
{
	for (; *name; name++)
		if (!is_alnum((unsigned char)*name) && *name != '-' && *name != '.' && *name != '_')
			return false;
	return true;
}

enum hello_result hello_read(struct slice bytes, struct hello *to)
{
	struct cursor c;
	struct facts f = { .version = 0 };
	enum hello_result result = unwrap(bytes, &c);

	memset(to, 0, sizeof *to);
	if (result != HELLO_DONE)
		return result;
	f.legacy = (uint16_t)number(&c, 2);
	for (int i = 0; i < 32; i++)
		number(&c, 1); /* random */
	vector(&c, 1); /* session id */
	for (struct cursor ciphers = vector(&c, 2); ciphers.left >= 2;)
		list(&f.ciphers, number(&ciphers, 2));
	vector(&c, 1); /* compression */
	struct cursor extensions = c.left ? vector(&c, 2) : (struct cursor){ c.at, 0, false };
	while (extensions.left && !extensions.bad) {
		uint32_t type = number(&extensions, 2);
		struct cursor body = vector(&extensions, 2);
		if (!body.bad)
			read_extension(type, body, to, &f);
	}
	if (c.bad || c.left || extensions.bad || !is_host_name(to->server_name_lower))
		return HELLO_BAD;
	fingerprint(&f, false, to->ja4);
	fingerprint(&f, true, to->ja4_key);
	return HELLO_DONE;
}
