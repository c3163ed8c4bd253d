/* Writes a ClientHello's JA4 fingerprint. */
#include "tls/ja4.h"
#include "base/check.h"
#include "base/text.h"
#include "tls/inside.h"

static bool comes_and_goes(uint16_t extension)
{
	return extension == 21 || extension == 35 || extension == 41 || extension == 42 || extension == 44;
}

/* Shell's: no memory, and a stranger's worst list costs microseconds. */
static void sort(uint16_t *at, size_t len)
{
	static const size_t gaps[] = { 132, 57, 23, 10, 4, 1 };

	for (size_t g = 0; g < sizeof gaps / sizeof gaps[0]; g++) {
		size_t gap = gaps[g];
		for (size_t i = gap; i < len; i++) {
			uint16_t one = at[i];
			size_t k = i;
			for (; k >= gap && at[k - gap] > one; k -= gap)
				at[k] = at[k - gap];
			at[k] = one;
		}
	}
}

static void write_list(struct text *t, const uint16_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char two[2] = { (unsigned char)(at[i] >> 8), (unsigned char)at[i] };
		if (i)
			text_char(t, ',');
		text_hex(t, two, 2);
	}
}

static void write_digest(struct text *t, const struct text *of)
{
	unsigned char digest[32];

	check(!of->cut);
	if (of->len == 0) {
		text_add(t, S("000000000000"));
		return;
	}
	digest_sha256(text_slice(of), digest);
	text_hex(t, digest, 6);
}

static const char *version_name(uint16_t v)
{
	switch (v) {
	case 0x0304:
		return "13";
	case 0x0303:
		return "12";
	case 0x0302:
		return "11";
	case 0x0301:
		return "10";
	case 0x0300:
		return "s3";
	case 0x0002:
		return "s2";
	default:
		return "00";
	}
}

static bool is_alnum(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* First and last character of the protocol; of its hexadecimal form where either byte is not alphanumeric. */
static void write_protocol(struct text *t, struct slice protocol)
{
	static const char hex[] = "0123456789abcdef";

	if (protocol.len == 0) {
		text_add(t, S("00"));
		return;
	}
	unsigned char first = (unsigned char)protocol.at[0], last = (unsigned char)protocol.at[protocol.len - 1];
	bool plain = is_alnum(first) && is_alnum(last);
	text_char(t, plain ? (char)first : hex[first >> 4]);
	text_char(t, plain ? (char)last : hex[last & 15]);
}

static void write_count(struct text *t, size_t n)
{
	n = n > 99 ? 99 : n;
	text_char(t, (char)('0' + n / 10));
	text_char(t, (char)('0' + n % 10));
}

static void write_head(struct text *t, const struct ja4_facts *f)
{
	text_char(t, 't');
	text_add(t, slice_of(version_name(f->version)));
	text_char(t, f->has_name ? 'd' : 'i');
	write_count(t, f->ciphers_len);
	write_count(t, f->extensions_len);
	write_protocol(t, f->protocol);
	text_char(t, '_');
}

/* The third part: of f->extensions, which are sorted. */
static void write_tail(struct text *t, const struct ja4_facts *f)
{
	char bytes[(EXTENSIONS_MAX + ALGORITHMS_MAX) * 5 + 1];
	struct text list = TEXT(bytes);
	uint16_t hashed[EXTENSIONS_MAX] = { 0 };
	size_t len = 0;

	for (size_t i = 0; i < f->extensions_len; i++)
		if (f->extensions[i] != 0 && f->extensions[i] != 16)
			hashed[len++] = f->extensions[i];
	write_list(&list, hashed, len);
	if (len && f->algorithms_len) {
		text_char(&list, '_');
		write_list(&list, f->algorithms, f->algorithms_len);
	}
	write_digest(t, &list);
}

void ja4_write(struct ja4_facts *f, char ja4[static 37], char key[static 37])
{
	char bytes[CIPHERS_MAX * 5], digits[13];
	struct text list = TEXT(bytes), ciphers = TEXT(digits);
	struct text whole = { .at = ja4, .cap = 37 }, steady = { .at = key, .cap = 37 };
	size_t len = 0;

	sort(f->ciphers, f->ciphers_len);
	sort(f->extensions, f->extensions_len);
	write_list(&list, f->ciphers, f->ciphers_len);
	write_digest(&ciphers, &list);
	text_char(&ciphers, '_');
	write_head(&whole, f);
	text_add(&whole, text_slice(&ciphers));
	write_tail(&whole, f);
	check(text_end(&whole));
	for (size_t i = 0; i < f->extensions_len; i++)
		if (!comes_and_goes(f->extensions[i]))
			f->extensions[len++] = f->extensions[i];
	if (len == f->extensions_len) {
		memcpy(key, ja4, 37);
		return;
	}
	f->extensions_len = len;
	write_head(&steady, f);
	text_add(&steady, text_slice(&ciphers));
	write_tail(&steady, f);
	check(text_end(&steady));
}
