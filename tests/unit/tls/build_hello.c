/* build_hello.c -- what build_hello.h promises. */
#include "build_hello.h"

void put(struct building *b, uint32_t n, size_t bytes)
{
	check(b->len + bytes <= sizeof b->at);
	for (size_t i = 0; i < bytes; i++)
		b->at[b->len++] = (unsigned char)(n >> 8 * (bytes - 1 - i));
}

void put_bytes(struct building *b, const void *from, size_t len)
{
	check(b->len + len <= sizeof b->at);
	if (len)
		memcpy(b->at + b->len, from, len);
	b->len += len;
}

void begin_vector(struct building *b, size_t bytes)
{
	b->sizes[b->depth] = bytes;
	b->open[b->depth++] = b->len;
	put(b, 0, bytes);
}

void end_vector(struct building *b)
{
	size_t at = b->open[--b->depth], bytes = b->sizes[b->depth], len = b->len - at - bytes;

	for (size_t i = 0; i < bytes; i++)
		b->at[at + i] = (unsigned char)(len >> 8 * (bytes - 1 - i));
}

void begin_hello(struct building *b)
{
	b->len = b->depth = 0;
	put(b, 1, 1);
	begin_vector(b, 3);
	put(b, 0x0303, 2);
	for (int i = 0; i < 32; i++)
		put(b, (uint32_t)i, 1);
	put(b, 0, 1);
}

void put_list(struct building *b, const uint16_t *at, size_t len)
{
	begin_vector(b, 2);
	for (size_t i = 0; i < len; i++)
		put(b, at[i], 2);
	end_vector(b);
}

static void put_name(struct building *b, struct slice name)
{
	begin_vector(b, 2);
	begin_vector(b, 2);
	put(b, 0, 1);
	begin_vector(b, 2);
	put_bytes(b, name.at, name.len);
	end_vector(b);
	end_vector(b);
	end_vector(b);
}

void put_extension(struct building *b, uint16_t type, const uint16_t *algorithms, size_t len)
{
	put(b, type, 2);
	if (type == 0) {
		put_name(b, S("A.Example"));
		return;
	}
	begin_vector(b, 2);
	if (type == 13)
		put_list(b, algorithms, len);
	else if (type == 16)
		put_bytes(b, "\x00\x0c\x02h2\x08http/1.1", 14);
	else if (type == 43)
		put_bytes(b, "\x06\x7a\x7a\x03\x04\x03\x03", 7);
	else if (type == 41)
		put(b, 0, 4);
	end_vector(b);
}

struct slice in_records(const struct building *message, size_t most, struct building *to)
{
	to->len = 0;
	for (size_t at = 0; at < message->len; at += most) {
		size_t len = message->len - at < most ? message->len - at : most;
		put(to, 0x160301, 3);
		put(to, (uint32_t)len, 2);
		put_bytes(to, message->at + at, len);
	}
	return (struct slice){ (const char *)to->at, to->len };
}
