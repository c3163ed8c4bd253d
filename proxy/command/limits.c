/* The busiest keys of the running Sallyport's limits, and how one of them begins again. */
#include "command/inside.h"
#include "admin/admin.h"
#include <stdio.h>
#include <string.h>

#define PATIENCE_S 10u

static const char usage[] =
    "usage: sallyport limits [--show-keys] [-s SOCKET | -c FILE] [-o text|json]\n"
    "       sallyport limits reset LIMIT KEY... [-s SOCKET | -c FILE] [-o text|json]\n"
    "limits: the keys that were decided most often lately on this machine, at most 20: what is left to\n"
    "each, when it may come back, and who decides. A key is shown by its hash; --show-keys adds what it\n"
    "stands for, except for headers, cookies, and fields that may hold a secret.\n"
    "reset: the key's bucket is full again, of a limit of the fleet on all machines. KEY is the hash as\n"
    "shown, or a word for each of the things that the limit counts by, as --show-keys writes them:\n"
    "203.0.113.9, 203.0.113.0/24, alice, "
    "ISSUER:SUBJECT; @203.0.113.9 where an address stood in. A secret is better given by its hash.\n"
    "Exit status: 0 ok, 1 failure, 2 usage, 3 none is running, 78 FILE cannot be read.\n";

static void print_key(const json_t *one)
{
	const json_t *value = json_object_get(one, "value");
	char left[48];

	snprintf(left, sizeof left, "%lld/%lld", talk_number(one, "remaining"), talk_number(one, "burst"));
	printf("%-24s %s %12s %8lld %10lld %10lld  %s%s", talk_word(one, "limit"), talk_word(one, "key"), left,
	       talk_number(one, "retry_after_s"), talk_number(one, "decisions"), talk_number(one, "refused"),
	       talk_word(one, "by"), json_is_true(json_object_get(one, "shadow")) ? ", in the shadow" : "");
	if (value)
		printf("  %s", json_string_value(value));
	putchar('\n');
}

static void print(const json_t *told)
{
	const json_t *keys = json_object_get(told, "keys");
	size_t i;
	json_t *one;

	if (json_array_size(keys) == 0) {
		puts("no limit has decided anything lately");
		return;
	}
	printf("%-24s %-17s %12s %8s %10s %10s  %s\n", "LIMIT", "KEY", "LEFT", "RETRY S", "DECISIONS", "REFUSED",
	       "BY");
	json_array_foreach((json_t *)(uintptr_t)keys, i, one)
		print_key(one);
	printf("Decisions are those of lately: halved every %lld s.\n", talk_number(told, "half_life_s"));
}

static int show(const struct options *o)
{
	int status;
	json_t *told = talk_ask(o, o->show_keys ? S("limits show-keys") : S("limits"), PATIENCE_S, &status);

	if (!told)
		return status;
	if (o->json)
		talk_print_json(told);
	else
		print(told);
	json_decref(told);
	return EXIT_OK;
}

/* A word as it travels: what is not visible is written %XX; what is so already stays. */
static void add_word(struct text *t, struct slice word)
{
	for (size_t i = 0; i < word.len; i++) {
		unsigned char c = (unsigned char)word.at[i];
		if (c <= ' ' || c >= 0x7f || c == '+')
			text_printf(t, "%%%02X", c);
		else
			text_char(t, (char)c);
	}
}

static int reset(const struct options *o)
{
	char line[ADMIN_LINE - 1];
	struct text t = TEXT(line);
	int status;

	text_add(&t, S("limits-reset"));
	for (int i = 1; i < o->rest_len; i++) {
		text_char(&t, ' ');
		add_word(&t, slice_of(o->rest[i]));
	}
	if (t.cut) {
		fputs("sallyport limits: the key is too long; give its hash\n", stderr);
		return EXIT_USAGE;
	}
	json_t *told = talk_ask(o, text_slice(&t), PATIENCE_S, &status);
	if (!told)
		return status;
	if (o->json)
		talk_print_json(told);
	else if (json_is_true(json_object_get(told, "reset")))
		printf("%s %s: had %lld of %lld left, and is full again%s\n", talk_word(told, "limit"),
		       talk_word(told, "key"), talk_number(told, "remaining"), talk_number(told, "burst"),
		       json_is_true(json_object_get(told, "fleet")) ? " on all machines of the fleet" : "");
	else
		printf("%s %s: nothing was held against it\n", talk_word(told, "limit"), talk_word(told, "key"));
	json_decref(told);
	return EXIT_OK;
}

int command_limits(int argc, char **argv)
{
	struct options o;
	int done = options_read(argc, argv, "csoK", usage, &o);

	if (done >= 0)
		return done;
	if (o.rest_len == 0)
		return show(&o);
	if (o.rest_len >= 3 && strcmp(o.rest[0], "reset") == 0)
		return reset(&o);
	fputs(usage, stderr);
	return EXIT_USAGE;
}
