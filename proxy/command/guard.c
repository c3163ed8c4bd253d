/* The absence guard of the running Sallyport, and its ledger: whom absences have met. */
#include "admin/admin.h"
#include "command/inside.h"
#include <stdio.h>
#include <string.h>

#define PATIENCE_S 10u

static const char usage[] =
    "usage: sallyport guard [status] [-s SOCKET | -c FILE] [-o text|json]\n"
    "       sallyport guard trip|release [ROUTE] [-s SOCKET | -c FILE] [-o text|json]\n"
    "status: of each route with reconcile, whether answers that say \"it is not there\" are held, since\n"
    "when and why. trip: hold all that are not attested from now on, for ten minutes. release: what is\n"
    "absent now is accepted, on all machines of the fleet; what goes missing later is judged anew.\n"
    "Without ROUTE: all of them.\n"
    "Exit status: 0 ok, 1 failure, 2 usage, 3 none is running, 78 FILE cannot be read.\n";

static const char ledger_usage[] =
    "usage: sallyport ledger [--since TIME] [-s SOCKET | -c FILE] [-o text|json]\n"
    "The machine clients that an upstream has told, or would have told, that something is not there,\n"
    "without attesting it: their last good answer, the first absence, and whether it was delivered to them.\n"
    "--since: whose absence lies after that time: 2026-01-31T12:00:00Z, seconds since 1970, or a duration\n"
    "back from now, as 2h or 30d.\n"
    "Exit status: 0 ok, 1 failure, 2 usage, 3 none is running, 78 FILE cannot be read.\n";

static const char *why(const json_t *route)
{
	static const struct {
		const char *cause, *words;
	} all[] = { { "flips", "keys that were there within the hour are gone" },
		        { "share", "the share of absences is far above what is usual" },
		        { "operator", "an operator ordered it" },
		        { "fleet", "another machine of the fleet met too many" } };

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (strcmp(talk_word(route, "cause"), all[i].cause) == 0)
			return all[i].words;
	return "-";
}

void guard_judge(const json_t *told, void (*add)(void *with, const char *line), void *with)
{
	char line[512];
	size_t i;
	json_t *one;

	json_array_foreach(json_object_get(json_object_get(told, "guard"), "routes"), i, one) {
		if (!json_is_true(json_object_get(one, "latched")))
			continue;
		snprintf(line, sizeof line, "route %s: absences are held since %s: %s; `sallyport guard status`",
		         talk_word(one, "route"), talk_word(one, "since"), why(one));
		add(with, line);
	}
}

void guard_print(const json_t *guard)
{
	size_t i;
	json_t *one;

	json_array_foreach(json_object_get(guard, "routes"), i, one) {
		bool latched = json_is_true(json_object_get(one, "latched"));
		printf("guard of route %s: %s%s%s, %lld of %lld answers in 30 s were absences (usual: %.1f %%), "
		       "%lld keys gone\n",
		       talk_word(one, "route"), colour(latched ? "\033[31m" : "\033[32m"),
		       latched ? "latched" : "watching", colour("\033[0m"), talk_number(one, "absences"),
		       talk_number(one, "answers"), (double)talk_number(one, "usual_ppm") / 10000,
		       talk_number(one, "flips"));
		if (latched)
			printf("  since %s, until %s at least: %s\n", talk_word(one, "since"), talk_word(one, "until"),
			       why(one));
	}
}

static int ask(const struct options *o, struct slice verb)
{
	int status;
	json_t *told = talk_ask(o, verb, PATIENCE_S, &status);

	if (!told)
		return status;
	if (o->json) {
		talk_print_json(told);
	} else if (json_array_size(json_object_get(told, "routes")) == 0) {
		puts("no route has reconcile: true");
	} else {
		guard_print(told);
		printf("%lld keys are known, %lld of them absent; %lld clients in the ledger; %lld places each\n",
		       talk_number(told, "keys"), talk_number(told, "absent"), talk_number(told, "ledger"),
		       talk_number(told, "places"));
	}
	json_decref(told);
	return EXIT_OK;
}

int command_guard(int argc, char **argv)
{
	struct options o;
	char line[ADMIN_LINE - 1];
	struct text t = TEXT(line);
	int done = options_read(argc, argv, "cso", usage, &o);

	if (done >= 0)
		return done;
	bool trip = o.rest_len && strcmp(o.rest[0], "trip") == 0;
	bool release = o.rest_len && strcmp(o.rest[0], "release") == 0;
	if (o.rest_len == 0 || (o.rest_len == 1 && strcmp(o.rest[0], "status") == 0))
		return ask(&o, S("guard"));
	if ((!trip && !release) || o.rest_len > 2) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	text_add(&t, trip ? S("guard-trip ") : S("guard-release "));
	if (o.rest_len == 2)
		text_add(&t, slice_of(o.rest[1]));
	return ask(&o, text_slice(&t));
}

/* ---- the ledger ---- */

static void print_client(const json_t *one)
{
	const json_t *delivered = json_object_get(one, "delivered"), *ended = json_object_get(one, "ended");

	printf("%-9s %s", json_is_string(delivered) ? "delivered" : "held", talk_word(one, "first_absence"));
	printf(" last good %s", talk_word(one, "last_good"));
	printf(" client %s tenant %s subject %s address %s", talk_word(one, "client"), talk_word(one, "tenant"),
	       talk_word(one, "subject"), talk_word(one, "address"));
	printf(" route %s path %s", talk_word(one, "route"), talk_word(one, "path"));
	printf(" keys %lld%s%s\n", talk_number(one, "keys"), json_is_string(ended) ? " ended " : "",
	       json_is_string(ended) ? json_string_value(ended) : "");
}

/* All pages, as one list; NULL: complained. */
static json_t *gather(const struct options *o, uint64_t since_s, int *status)
{
	json_t *all = json_array();
	long long from = 0;

	for (;;) {
		char line[64];
		snprintf(line, sizeof line, "ledger %llu %lld", (unsigned long long)since_s, from);
		json_t *page = talk_ask(o, slice_of(line), PATIENCE_S, status);
		if (!page)
			break;
		json_array_extend(all, json_object_get(page, "clients"));
		const json_t *next = json_object_get(page, "next");
		bool more = json_is_integer(next);
		from = json_integer_value(next);
		json_decref(page);
		if (!more)
			return all;
	}
	json_decref(all);
	return NULL;
}

int command_ledger(int argc, char **argv)
{
	struct options o;
	uint64_t since_s;
	int done = options_read(argc, argv, "csoA", ledger_usage, &o);

	if (done < 0)
		done = options_words(&o, 0, 0, ledger_usage);
	if (done >= 0)
		return done;
	if (!options_time(o.since, OPTIONS_BACK, &since_s)) {
		fputs("sallyport ledger: --since takes a time, as 2026-01-31T12:00:00Z, or a duration, as 2h\n",
		      stderr);
		return EXIT_USAGE;
	}
	json_t *clients = gather(&o, since_s, &done);
	size_t i;
	json_t *one;
	if (!clients)
		return done;
	if (o.json) {
		json_t *told = json_pack("{s:O}", "clients", clients);
		talk_print_json(told);
		json_decref(told);
	} else if (json_array_size(clients) == 0) {
		puts("no absence has met anybody");
	} else {
		json_array_foreach(clients, i, one)
			print_client(one);
	}
	json_decref(clients);
	return EXIT_OK;
}
