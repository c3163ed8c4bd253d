/* loaded.c -- what loaded.h promises. */
#include "loaded.h"

struct loaded load_from(struct bundle *b, const char *text)
{
	struct loaded l = { .bundle = b };

	if (text)
		bundle_put(b, "/etc/s/c.yaml", slice_of(text));
	l.config = config_load(b, "/etc/s/c.yaml", &l.errors);
	return l;
}

struct loaded load_text(const char *text)
{
	return load_from(bundle_empty(), text);
}

void unload(struct loaded *l)
{
	config_free(l->config);
	config_errors_free(&l->errors);
	bundle_close(l->bundle);
}

void expect_good(struct loaded *l)
{
	if (l->errors.text)
		fprintf(stderr, "%s", l->errors.text);
	assert_non_null(l->config);
	assert_int_equal(l->errors.count, 0);
}

void expect_said(const struct loaded *l, const char *piece)
{
	assert_null(l->config);
	assert_non_null(l->errors.text);
	if (!strstr(l->errors.text, piece))
		fprintf(stderr, "looked for: %s\nin: %s", piece, l->errors.text);
	assert_non_null(strstr(l->errors.text, piece));
}

void refuse(const char *text, const char *piece)
{
	struct loaded l = load_text(text);

	expect_said(&l, piece);
	if (l.errors.count != 1)
		fprintf(stderr, "%s", l.errors.text);
	assert_int_equal(l.errors.count, 1);
	unload(&l);
}

void welcome(const char *text)
{
	struct loaded l = load_text(text);

	expect_good(&l);
	unload(&l);
}

struct loaded with_files(const char *text)
{
	struct bundle *b = bundle_empty();

	bundle_put(b, "/etc/s/cert.pem", S("c"));
	bundle_put(b, "/etc/s/key.pem", S("k"));
	bundle_put(b, "/etc/s/ca.pem", S("a"));
	return load_from(b, text);
}
