/* What the running Sallyport knows of its issuers, and drills. */
#include "command/inside.h"
#include "base/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_S 10u

static const char usage[] =
    "usage: sallyport issuer status [NAME] [-s SOCKET | -c FILE] [-o text|json]\n"
    "       sallyport issuer drill NAME unreachable|stale|degraded|blind [--for 5m] [-s SOCKET | -c FILE]\n"
    "       sallyport issuer drill NAME --stop [-s SOCKET | -c FILE]\n"
    "status: the state of each issuer, how old its keys are and how long they are trusted yet.\n"
    "drill: pretends for a while, an hour at most. unreachable: nothing is fetched from the issuer, all\n"
    "else follows by itself. stale, degraded: only shown, in status, metrics and to trusted proxies.\n"
    "blind: its tokens are answered 503, too. A drill ends by its time, with --stop, and with this\n"
    "Sallyport; a reload or a restart of one of its processes does not end it.\n"
    "Exit status: 0 ok, 1 failure, 2 usage, 3 none is running, 78 FILE cannot be read.\n";

const char *talk_word(const json_t *of, const char *name)
{
	const char *text = json_string_value(json_object_get(of, name));

	return text ? text : "-";
}

long long talk_number(const json_t *of, const char *name)
{
	return (long long)json_integer_value(json_object_get(of, name));
}

/* Where there are several. */
static void print_ways(const json_t *ways)
{
	size_t i;
	json_t *way;

	if (json_array_size(ways) < 2)
		return;
	json_array_foreach((json_t *)(uintptr_t)ways, i, way) {
		long long failures = talk_number(way, "failures");
		printf("  way %s: %s%s%s", talk_word(way, "way"), colour(failures ? "\033[31m" : "\033[32m"),
		       failures ? "fails" : "works", colour("\033[0m"));
		if (failures)
			printf(", %lld times in a row: %s", failures, talk_word(way, "last_failure"));
		putchar('\n');
	}
}

static void print_one(const json_t *one)
{
	const char *state = talk_word(one, "state"), *failure = talk_word(one, "last_failure");
	bool well = strcmp(state, "normal") == 0, blind = strcmp(state, "blind") == 0;
	const json_t *drill = json_object_get(one, "drill");

	printf("issuer %s: %s%s%s, %lld keys", talk_word(one, "issuer"),
	       colour(well    ? "\033[32m"
	              : blind ? "\033[31m"
	                      : "\033[33m"),
	       state, colour("\033[0m"), talk_number(one, "keys"));
	if (talk_number(one, "keys"))
		printf(", %lld s old, from %s, trusted for %lld s more", talk_number(one, "age_s"),
		       talk_word(one, "keys_from"), talk_number(one, "trusted_for_s"));
	printf(", next fetch in %lld s", talk_number(one, "next_fetch_s"));
	if (talk_number(one, "failures"))
		printf("; failed %lld times: %s", talk_number(one, "failures"), failure);
	if (strcmp(talk_word(one, "unreadable_key"), "-") != 0 && talk_word(one, "unreadable_key")[0])
		printf("; cannot read key %s", talk_word(one, "unreadable_key"));
	if (json_is_false(json_object_get(one, "reachable")))
		printf("; out of reach: logins are answered 503");
	if (json_is_object(drill))
		printf("; DRILL %s for %lld s more", talk_word(drill, "kind"), talk_number(drill, "for_s"));
	putchar('\n');
	print_ways(json_object_get(one, "egress"));
}

bool talk_print_issuers(const json_t *issuers, const char *only)
{
	bool found = false;
	size_t i;
	json_t *one;

	json_array_foreach((json_t *)(uintptr_t)issuers, i, one) {
		if (only && strcmp(talk_word(one, "issuer"), only) != 0)
			continue;
		print_one(one);
		found = true;
	}
	return found;
}

static int print(const struct options *o, json_t *told, const char *only)
{
	int status = EXIT_OK;

	if (o->json)
		talk_print_json(told);
	else if (!talk_print_issuers(json_object_get(told, "issuers"), only) && only) {
		fprintf(stderr, "sallyport: there is no issuer %s\n", only);
		status = EXIT_FAILED;
	}
	json_decref(told);
	return status;
}

static bool is_kind(const char *word)
{
	static const char *const kinds[] = { "unreachable", "stale", "degraded", "blind", "none" };

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(word, kinds[i]) == 0)
			return true;
	fprintf(stderr, "sallyport issuer: \"%s\" is none of unreachable, stale, degraded and blind\n", word);
	return false;
}

static int drill(const struct options *o)
{
	char line[512];
	struct text t = TEXT(line);
	unsigned long long for_s = 300;
	const char *name = o->rest[1], *kind = o->stop ? "none" : o->rest[2];
	int status;

	if (!is_kind(kind))
		return EXIT_USAGE;
	if (strchr(name, ' ')) {
		fprintf(stderr, "sallyport issuer: \"%s\" cannot be the name of an issuer\n", name);
		return EXIT_USAGE;
	}
	if (o->for_how_long && !options_duration(o->for_how_long, &for_s)) {
		fputs("sallyport issuer: --for takes a duration like 90s, 5m or 1h\n", stderr);
		return EXIT_USAGE;
	}
	text_printf(&t, "drill %s %s %llu", name, kind, for_s);
	json_t *told = talk_ask(o, text_slice(&t), PATIENCE_S, &status);
	return told ? print(o, told, name) : status;
}

int command_issuer(int argc, char **argv)
{
	struct options o;
	int done = options_read(argc, argv, "csoFS", usage, &o);

	if (done < 0)
		done = options_words(&o, 1, 3, usage);
	if (done >= 0)
		return done;
	if (strcmp(o.rest[0], "status") == 0 && o.rest_len <= 2) {
		json_t *told = talk_ask(&o, S("issuers"), PATIENCE_S, &done);
		return told ? print(&o, told, o.rest_len == 2 ? o.rest[1] : NULL) : done;
	}
	if (strcmp(o.rest[0], "drill") == 0 && o.rest_len == (o.stop ? 2 : 3))
		return drill(&o);
	fputs(usage, stderr);
	return EXIT_USAGE;
}
