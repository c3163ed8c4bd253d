/* Revocations: given, taken back, listed. */
#include "command/inside.h"
#include "base/clock.h"
#include "base/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PATIENCE_S 10u

static const char usage[] =
    "usage: sallyport revoke jti|sub|sid|kid VALUE --issuer NAME [--until TIME] [--before TIME] [-s|-c|-o]\n"
    "       sallyport revoke undo jti|sub|sid|kid VALUE --issuer NAME [-s|-c|-o]\n"
    "       sallyport revoke list [-s SOCKET | -c FILE] [-o text|json]\n"
    "Tokens of that issuer are refused from now on: the one with that jti; those of a subject that were\n"
    "issued before a time (now, where --before does not say); those of a session; those signed with a key.\n"
    "Open tunnels end with their token. It holds in every state of the issuer and outlives a restart, until\n"
    "--until, else for verification.revoked_for. Who has confirmed it is named.\n"
    "TIME: 2026-01-31T12:00:00Z, seconds since 1970, or for --until a duration like 24h or 30d.\n"
    "Exit status: 0 confirmed by every worker and every machine of the fleet, 1 failure, 2 usage, 3 none is\n"
    "running, 78 FILE cannot be read.\n";

static void print_time(const char *name, long long s)
{
	time_t at = (time_t)s;
	struct tm tm;
	char text[32] = "";

	if (gmtime_r(&at, &tm))
		strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	printf(", %s %s", name, text);
}

static void print_list(const json_t *told)
{
	const char *lost = json_string_value(json_object_get(told, "lost"));
	size_t i;
	json_t *one;

	if (lost)
		fprintf(stderr, "sallyport: some revocations may be lost: %s\n", lost);
	json_array_foreach(json_object_get(told, "revocations"), i, one) {
		printf("%s %s of %s", talk_word(one, "kind"), talk_word(one, "value"), talk_word(one, "issuer"));
		if (json_object_get(one, "before"))
			print_time("issued before", talk_number(one, "before"));
		print_time("until", talk_number(one, "until"));
		putchar('\n');
	}
}

static void print_workers(FILE *to, const char *what, const json_t *workers)
{
	size_t i;
	json_t *one;

	fputs(what, to);
	json_array_foreach((json_t *)(uintptr_t)workers, i, one)
		fprintf(to, "%s worker %lld of generation %lld (pid %lld)", i ? "," : "", talk_number(one, "slot"),
		        talk_number(one, "generation"), talk_number(one, "pid"));
	fputc('\n', to);
}

static void print_machines(FILE *to, const char *what, const json_t *machines)
{
	size_t i;
	json_t *one;

	if (!json_array_size(machines))
		return;
	fputs(what, to);
	json_array_foreach((json_t *)(uintptr_t)machines, i, one)
		fprintf(to, "%s %s", i ? "," : "", json_string_value(one));
	fputc('\n', to);
}

/* True: every machine of the fleet that is known of has read it. */
static bool print_fleet(const struct options *o, const json_t *told)
{
	const json_t *fleet = json_object_get(told, "fleet"), *machines = json_object_get(told, "machines");
	const json_t *missing = json_object_get(machines, "unconfirmed");

	if (json_is_false(fleet))
		fputs("sallyport: Redis has not taken it yet; other machines follow within a second of that\n",
		      stderr);
	if (!json_is_true(fleet))
		return json_is_null(fleet);
	if (!o->json)
		print_machines(stdout, "confirmed by the fleet's machines", json_object_get(machines, "confirmed"));
	print_machines(stderr, "sallyport: not confirmed within 2 s by", missing);
	if (json_array_size(missing))
		fputs("sallyport: these go on accepting it until they reach Redis, and a second more\n", stderr);
	return json_array_size(missing) == 0;
}

static int print_change(const struct options *o, json_t *told, bool undo)
{
	json_t *confirmed = json_object_get(told, "confirmed");
	json_t *unconfirmed = json_object_get(told, "unconfirmed");
	bool whole = json_array_size(unconfirmed) == 0, kept = json_is_true(json_object_get(told, "kept"));

	if (o->json)
		talk_print_json(told);
	else
		print_workers(stdout, undo ? "undone; confirmed by" : "in force; confirmed by", confirmed);
	if (!whole)
		print_workers(stderr, "sallyport: not confirmed within 1 s by", unconfirmed);
	bool everywhere = print_fleet(o, told);
	if (!kept)
		fputs("sallyport: the disk refused the list; this one holds only until Sallyport ends\n", stderr);
	json_decref(told);
	return whole && kept && everywhere ? EXIT_OK : EXIT_FAILED;
}

static bool is_kind(const char *word)
{
	static const char *const kinds[] = { "jti", "sub", "sid", "kid" };

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(word, kinds[i]) == 0)
			return true;
	fprintf(stderr, "sallyport revoke: \"%s\" is none of jti, sub, sid and kid\n", word);
	return false;
}

static int change(const struct options *o, bool undo)
{
	uint64_t until_s, before_s;
	int status;

	if (!is_kind(o->rest[undo]))
		return EXIT_USAGE;
	if (!o->issuer) {
		fputs("sallyport revoke: --issuer must name the issuer\n", stderr);
		return EXIT_USAGE;
	}
	if (!options_time(o->until, OPTIONS_AHEAD, &until_s) ||
	    !options_time(o->before, OPTIONS_MOMENT, &before_s)) {
		fputs("sallyport revoke: a TIME is written like 2026-01-31T12:00:00Z\n", stderr);
		return EXIT_USAGE;
	}
	json_t *what =
	    json_pack("{s:s, s:s, s:s, s:I, s:I}", "kind", o->rest[undo], "value", o->rest[undo + 1], "issuer",
	              o->issuer, "until", (json_int_t)until_s, "before", (json_int_t)before_s);
	char *json = what ? json_dumps(what, JSON_COMPACT) : NULL, *verb = NULL;
	int len = json ? asprintf(&verb, "%s %s", undo ? "unrevoke" : "revoke", json) : -1;
	json_decref(what);
	free(json);
	if (len < 0) {
		fputs("sallyport revoke: the value is no UTF-8 text\n", stderr);
		return EXIT_USAGE;
	}
	json_t *told = talk_ask(o, slice_of(verb), PATIENCE_S, &status);
	free(verb);
	return told ? print_change(o, told, undo) : status;
}

int command_revoke(int argc, char **argv)
{
	struct options o;
	int done = options_read(argc, argv, "csoIUB", usage, &o);

	if (done < 0)
		done = options_words(&o, 1, 3, usage);
	if (done >= 0)
		return done;
	if (strcmp(o.rest[0], "list") == 0 && o.rest_len == 1) {
		json_t *told = talk_ask(&o, S("revocations"), PATIENCE_S, &done);
		if (told && o.json)
			talk_print_json(told);
		else if (told)
			print_list(told);
		json_decref(told);
		return told ? EXIT_OK : done;
	}
	bool undo = strcmp(o.rest[0], "undo") == 0;
	if (o.rest_len == 2 + undo)
		return change(&o, undo);
	fputs(usage, stderr);
	return EXIT_USAGE;
}
