/* h2_client_turn.h -- the second half of h2_client.h: sending, receiving, asking. */
#pragma once
#include <errno.h>

/* H2_TAPES=DIR records the beginning of what each client sends: seeds for fuzz_h2, which does not want the
 * connection preface but a byte in front (see there). */
static inline void client_record(struct client_side *c, const void *bytes, size_t len)
{
	static unsigned tapes;
	char path[256];

	if (!c->tape && getenv("H2_TAPES")) {
		snprintf(path, sizeof path, "%s/%s-%02u", getenv("H2_TAPES"), program_invocation_short_name, tapes++);
		c->tape = fopen(path, "w");
		check(c->tape && fputc(8, c->tape) == 8);
	}
	if (c->tape && (len != 24 || memcmp(bytes, "PRI", 3) != 0) && ftell(c->tape) < 2000)
		fwrite(bytes, 1, len < 2000 ? len : 2000, c->tape);
}

static inline void client_close(struct client_side *c)
{
	if (c->tape)
		fclose(c->tape);
	nghttp2_session_del(c->session);
}

/* All of it, turning the server meanwhile where the socket is full. False: the server is gone. */
static inline bool client_raw(struct client_side *c, const void *bytes, size_t len)
{
	const char *at = bytes;

	client_record(c, bytes, len);
	for (int patience = 0; len && patience < 10000; patience++) {
		ssize_t n = send(c->w->peer, at, len, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			return false;
		if (n > 0)
			at += n, len -= (size_t)n;
		if (len)
			loop_turn(c->w->loop, 0);
	}
	return len == 0;
}

static inline void client_send(struct client_side *c)
{
	const uint8_t *bytes;
	ssize_t len;

	while ((len = nghttp2_session_mem_send(c->session, &bytes)) > 0)
		if (!client_raw(c, bytes, (size_t)len))
			return;
}

static inline void client_receive(struct client_side *c)
{
	static uint8_t bytes[65536];
	ssize_t len;

	while (!c->greedless && (len = recv(c->w->peer, bytes, sizeof bytes, 0)) != -1) {
		c->over = c->over || len == 0;
		if (len <= 0 || nghttp2_session_mem_recv(c->session, bytes, (size_t)len) < 0)
			return;
	}
}

static inline void client_turns(struct client_side *c, int turns)
{
	while (turns-- > 0) {
		client_send(c);
		loop_turn(c->w->loop, 0);
		client_receive(c);
	}
}

/* Turns until the stream is closed at the client. */
static inline struct answer_seen *client_await(struct client_side *c, int32_t id)
{
	for (int i = 0; i < 20000 && !seen(c, id)->closed && !c->over; i++)
		client_turns(c, 1);
	return seen(c, id);
}

static inline void client_until_over(struct client_side *c)
{
	for (int i = 0; i < 2000 && !c->over; i++)
		client_turns(c, 1);
}

static inline nghttp2_nv nv(const char *name, const char *value)
{
	return (nghttp2_nv){ (uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
		                 NGHTTP2_NV_FLAG_NONE };
}

/* `more`: pairs of name and value, NULL at the end; may be NULL. */
static inline int32_t client_ask_with(struct client_side *c, const char *method, const char *path,
                                      struct upload *body, const char *const *more)
{
	nghttp2_nv fields[700] = { nv(":method", method), nv(":scheme", "http"), nv(":authority", "example.com"),
		                       nv(":path", path) };
	nghttp2_data_provider source = { .source.ptr = body, .read_callback = upload_read };
	size_t len = 4;

	for (; more && *more && len < 700; more += 2)
		fields[len++] = nv(more[0], more[1]);
	return nghttp2_submit_request(c->session, NULL, fields, len, body ? &source : NULL, NULL);
}

static inline int32_t client_ask(struct client_side *c, const char *method, const char *path,
                                 struct upload *body)
{
	return client_ask_with(c, method, path, body, NULL);
}
