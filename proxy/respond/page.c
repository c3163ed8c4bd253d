/* page.c -- the bodies of own answers. Nothing in them comes from the client. */
#include "respond/answer.h"

#define STYLE \
	"body{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:4rem auto;padding:0 1rem;color:#222;" \
	"background:#fff}h1{font-size:1.5rem}code{font-size:.9rem}" \
	"@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}}"

/* The hash is of STYLE; a unit test recomputes it. */
struct slice page_policy(void)
{
	return S("default-src 'none'; style-src 'sha256-ZKY2bZZyGFtf0C5BJR2YNbJtKy5MQpRYMtOZgbzRtKU='; "
	         "base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
}

/* RFC 9457; type about:blank says that the title is the status's own. */
static void write_problem(const struct own *o, struct text *to)
{
	const struct request *r = o->r;

	text_add(to, S("{\"type\":\"about:blank\",\"title\":\""));
	text_json(to, status_phrase(o->status));
	text_add(to, S("\",\"status\":"));
	text_u64(to, o->status);
	text_add(to, S(",\"detail\":\""));
	text_json(to, slice_of(fault_info[r->fault].text));
	text_add(to, S("\",\"reason\":\""));
	text_json(to, respond_reason(r));
	text_add(to, S("\",\"request_id\":\""));
	text_json(to, slice_of(r->id));
	text_char(to, '"');
	if (o->retry_s) {
		text_add(to, S(",\"retry_after\":"));
		text_u64(to, o->retry_s);
	}
	text_add(to, S("}\n"));
}

static bool is_login(enum fault why)
{
	return why == FAULT_ISSUER_AWAY || why == FAULT_ISSUER_RETURNING || why == FAULT_ISSUER_BUSY;
}

/* Only where a repetition asks for the same thing once more. */
static bool tries_again(const struct own *o)
{
	return is_login(o->r->fault) && o->retry_s && slice_same(o->r->method, S("GET"));
}

static void write_advice(const struct own *o, struct text *to)
{
	if (is_login(o->r->fault))
		text_add(to, S("<p>Signing in has to wait a little. Whoever is signed in already can go on "
		               "working.</p>\n"));
	if (!o->retry_s)
		return;
	text_add(to, tries_again(o) ? S("<p>This page tries again by itself in ") : S("<p>Please try again in "));
	text_u64(to, o->retry_s);
	text_add(to, o->retry_s == 1 ? S(" second.</p>\n") : S(" seconds.</p>\n"));
}

static void write_page(const struct own *o, struct text *to)
{
	const struct request *r = o->r;

	text_add(to, S("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	               "<meta name=\"viewport\" content=\"width=device-width\">"));
	if (tries_again(o)) {
		text_add(to, S("<meta http-equiv=\"refresh\" content=\""));
		text_u64(to, o->retry_s);
		text_add(to, S("\">"));
	}
	text_add(to, S("<title>"));
	text_html(to, status_phrase(o->status));
	text_add(to, S("</title><style>" STYLE "</style></head><body>\n<h1>"));
	text_html(to, status_phrase(o->status));
	text_add(to, S("</h1>\n<p>The request was not passed on: "));
	text_html(to, slice_of(fault_info[r->fault].text));
	text_add(to, S(".</p>\n"));
	write_advice(o, to);
	text_add(to, S("<p>Status "));
	text_u64(to, o->status);
	text_add(to, S(", reason <code>"));
	text_html(to, respond_reason(r));
	text_add(to, S("</code>, request <code>"));
	text_html(to, slice_of(r->id));
	text_add(to, S("</code></p>\n</body></html>\n"));
}

void page_write(const struct own *o, struct text *to)
{
	if (o->page)
		write_page(o, to);
	else
		write_problem(o, to);
}
