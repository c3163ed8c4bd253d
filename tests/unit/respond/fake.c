/* fake.c -- what fake.h promises. */
#include "fake.h"

struct fake fake;

_Alignas(max_align_t) char fake_arena[16384];

static bool fake_head(struct request *r, const struct response *head)
{
	struct text t = { .at = fake.head, .cap = sizeof fake.head };

	(void)r;
	for (uint16_t i = 0; i < head->fields->len; i++) {
		const struct header *f = &head->fields->at[i];
		if (f->dropped)
			continue;
		text_add(&t, f->name);
		text_add(&t, S(": "));
		text_add(&t, f->value);
		text_char(&t, '\n');
	}
	assert_true(text_end(&t));
	fake.status = head->status;
	fake.has_length = head->has_length;
	fake.length = head->length;
	fake.no_body = head->no_body;
	fake.close = head->close;
	fake.heads++;
	return true;
}

static bool fake_body(struct request *r, struct slice bytes)
{
	(void)r;
	assert_true(fake.body_len + bytes.len < sizeof fake.body);
	memcpy(fake.body + fake.body_len, bytes.at, bytes.len);
	fake.body_len += bytes.len;
	fake.body[fake.body_len] = '\0';
	return true;
}

static bool fake_end(struct request *r, const struct headers *trailers)
{
	(void)r;
	assert_null(trailers);
	fake.ends++;
	return true;
}

const struct client_ops fake_ops = { .head = fake_head, .body = fake_body, .end = fake_end };

void fake_ask(struct slice name, struct slice value)
{
	assert_true(headers_add(&fake.r.headers, name, value));
}

struct request *fake_request(void)
{
	struct request *r = &fake.r;

	memset(&fake, 0, sizeof fake);
	r->config = &fake.config;
	r->client_facts = &fake.client_facts;
	r->ops = &fake_ops;
	r->method = S("GET");
	r->target = r->path = S("/api/v1/things");
	r->scheme = S("https");
	r->host = S("cloud.example.com");
	r->version = 20;
	r->headers = (struct headers){ fake.fields, 0, 32 };
	arena_init(&r->arena, fake_arena, sizeof fake_arena);
	memcpy(r->id, "0af7651916cd43dd8448eb211c80319c", 33);
	memcpy(r->span, "b7ad6b7169203331", 17);
	return r;
}

const char *fake_field(const char *name)
{
	static char value[8192];
	char line[256];

	snprintf(line, sizeof line, "\n%s: ", name);
	const char *at = strstr(fake.head, line);
	if (strncmp(fake.head, line + 1, strlen(line + 1)) == 0)
		at = fake.head - 1;
	if (!at)
		return "";
	at += strlen(line);
	snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\n"), at);
	return value;
}
