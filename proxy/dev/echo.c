/* echo.c -- an upstream for trying things out. */
#include "dev/servers.h"
#include "base/text.h"

#define BYTES_MAX (UINT64_C(64) << 30)

/* ---- .../bytes?n=N ---- */

/* A line of 64 bytes over and over, so that a hole would be seen. */
static void fill(void *with, uint64_t from, char *to, size_t len)
{
	static const char line[] = "sallyport echoes 0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGH\n";

	(void)with;
	for (size_t i = 0; i < len;) {
		size_t at = (size_t)((from + i) % (sizeof line - 1)), n = sizeof line - 1 - at;
		n = n < len - i ? n : len - i;
		memcpy(to + i, line + at, n);
		i += n;
	}
}

static void answer_bytes(struct miniserver_ask *ask)
{
	uint64_t n;

	if (slice_starts(ask->query, S("n=")) && slice_u64(slice_from(ask->query, 2), &n) && n <= BYTES_MAX)
		miniserver_stream(ask, 200, S("application/octet-stream"), n, fill, NULL);
	else
		miniserver_answer(ask, 400, S("text/plain"), S(""), S("say how many: ?n=1000000, at most 64 GiB\n"));
}

/* ---- /login ---- */

static const char signed_in[] =
    "<!doctype html>\n<html lang=\"en\"><title>Signed in</title>\n<h1>Signed in, as it were</h1>\n"
    "<p>This is an example: nothing was looked at and nothing was kept.</p>\n"
    "<p><a href=\"/login/\">Back</a></p></html>\n";

static const char log_in[] =
    "<!doctype html>\n<html lang=\"en\"><title>Log in</title>\n<h1>Log in</h1>\n"
    "<form method=\"post\" action=\"/login/\">\n"
    "<p><label>Name <input name=\"name\" autocomplete=\"off\"></label></p>\n"
    "<p><button>Log in</button></p></form>\n"
    "<p>A page of the echo upstream, behind the limit login-per-address.</p></html>\n";

static void answer_page(struct miniserver_ask *ask)
{
	bool posted = slice_same(ask->method, S("POST"));

	miniserver_answer(ask, 200, S("text/html; charset=utf-8"), S("Cache-Control: no-store\r\n"),
	                  slice_of(posted ? signed_in : log_in));
}

/* ---- anything else ---- */

static bool is_secret(const struct header *h)
{
	return h->id == HEADER_AUTHORIZATION || h->id == HEADER_COOKIE || h->id == HEADER_PROXY_AUTHORIZATION;
}

static void add_member(struct text *t, const char *name, struct slice value)
{
	text_char(t, '"');
	text_add(t, slice_of(name));
	text_add(t, S("\":\""));
	text_json(t, value);
	text_add(t, S("\","));
}

/* As pairs, since a name may come more than once. */
static void add_fields(struct text *t, const struct headers *h)
{
	text_add(t, S("\"headers\":["));
	for (uint16_t i = 0; i < h->len; i++) {
		text_add(t, i ? S(",[\"") : S("[\""));
		text_json(t, h->at[i].name);
		text_add(t, S("\",\""));
		if (is_secret(&h->at[i])) {
			text_u64(t, h->at[i].value.len);
			text_add(t, S(" bytes"));
		} else {
			text_json(t, h->at[i].value);
		}
		text_add(t, S("\"]"));
	}
	text_char(t, ']');
}

static void answer_request(struct miniserver_ask *ask, unsigned status)
{
	static char store[6 * MINISERVER_HEAD + 4096]; /* every byte of a head may become six */
	struct text t = TEXT(store);

	text_char(&t, '{');
	add_member(&t, "method", ask->method);
	add_member(&t, "path", ask->path);
	add_member(&t, "query", ask->query);
	text_add(&t, S("\"body_length\":"));
	text_u64(&t, ask->body_len);
	text_char(&t, ',');
	add_fields(&t, ask->headers);
	text_add(&t, S("}\n"));
	miniserver_answer(ask, status, S("application/json"), S("Cache-Control: no-store\r\n"), text_slice(&t));
}

/* .../status/NNN */
static unsigned status_asked(struct slice path)
{
	uint64_t n;
	struct slice digits = path.len >= 3 ? slice_from(path, path.len - 3) : S("");

	if (!slice_ends(slice_head(path, path.len - digits.len), S("/status/")) || !slice_u64(digits, &n))
		return 200;
	return n >= 200 && n <= 599 && n != 204 && n != 304 ? (unsigned)n : 200;
}

static void on_ask(void *with, struct miniserver_ask *ask)
{
	(void)with;
	if (slice_ends(ask->path, S("/bytes")))
		answer_bytes(ask);
	else if (slice_same(ask->path, S("/login")) || slice_starts(ask->path, S("/login/")))
		answer_page(ask);
	else
		answer_request(ask, status_asked(ask->path));
}

struct miniserver *echo_open(struct loop *loop, int listen_fd)
{
	struct miniserver *l = miniserver_open(loop, listen_fd, on_ask, NULL);

	if (l)
		miniserver_count_bodies(l);
	return l;
}
