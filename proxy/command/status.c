/* What the running Sallyport is doing: what is wrong comes first, as a tired engineer reads it. */
#include "command/inside.h"
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define STATUS_S 10u
#define SOON_DAYS 14

static const char status_usage[] =
    "usage: sallyport status [-s SOCKET | -c FILE] [-o text|json]\n"
    "What is wrong with the running Sallyport, and what it is doing.\n"
    "-s: its admin socket; -c: the configuration that names it.\n"
    "Exit status: 0 ok, 1 failure, 2 usage, 3 none is running, 78 FILE cannot be read.\n";

/* ---- what is wrong ---- */

static void add(json_t *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(json_t *to, const char *format, ...)
{
	char line[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	line[strcspn(line, "\n")] = '\0';
	json_array_append_new(to, json_string(line));
}

static const char *day_of(long long seconds, char to[static 32])
{
	time_t at = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&at, &tm) || !strftime(to, 32, "%Y-%m-%d %H:%M UTC", &tm))
		snprintf(to, 32, "%lld", seconds);
	return to;
}

static void judge_upstreams(const json_t *told, json_t *to)
{
	size_t i, dead = 0, all = json_array_size(json_object_get(told, "upstreams"));
	json_t *one;

	json_array_foreach(json_object_get(told, "upstreams"), i, one)
		dead += talk_number(one, "usable") == 0;
	if (all > 1 && dead == all)
		add(to, "every upstream is dead: no endpoint of any of the %zu can be used", all);
	json_array_foreach(json_object_get(told, "upstreams"), i, one) {
		long long usable = talk_number(one, "usable");
		size_t len = json_array_size(json_object_get(one, "endpoints"));
		if (usable == 0)
			add(to, "upstream %s is dead: none of its %zu endpoint%s can be used", talk_word(one, "upstream"),
			    len, len == 1 ? "" : "s");
		else if ((size_t)usable < len)
			add(to, "upstream %s: only %lld of %zu endpoints can be used", talk_word(one, "upstream"), usable,
			    len);
	}
}

static void judge_certificates(const json_t *told, json_t *to)
{
	long long now = (long long)time(NULL);
	char day[32];
	size_t i;
	json_t *one;

	json_array_foreach(json_object_get(told, "certificates"), i, one) {
		long long end = talk_number(one, "not_after"), left = end - now;
		if (left >= SOON_DAYS * 24 * 3600LL)
			continue;
		add(to, "certificate %s (%s %s) %s %s", talk_word(one, "file"), talk_word(one, "of"),
		    talk_word(one, "name"), left < 0 ? "has expired on" : "expires soon, on", day_of(end, day));
	}
}

static void judge_issuers(const json_t *told, json_t *to)
{
	size_t i;
	json_t *one;

	json_array_foreach(json_object_get(told, "issuers"), i, one)
		if (strcmp(talk_word(one, "state"), "normal") != 0)
			add(to, "issuer %s is %s%s%s", talk_word(one, "issuer"), talk_word(one, "state"),
			    talk_number(one, "failures") ? ": " : "",
			    talk_number(one, "failures") ? talk_word(one, "last_failure") : "");
}

static void judge_redis(const json_t *redis, json_t *to)
{
	const json_t *servers = json_object_get(redis, "servers");
	size_t i;
	json_t *one;

	if (json_is_object(redis) && json_array_size(servers) == 0)
		add(to, "Redis: no master is known; limits are this machine's share");
	json_array_foreach((json_t *)(uintptr_t)servers, i, one)
		if (strcmp(talk_word(one, "state"), "up") != 0)
			add(to, "Redis %s is %s (%s)", talk_word(one, "server"), talk_word(one, "state"),
			    talk_word(one, "reason"));
}

static void judge_processes(const json_t *told, json_t *to)
{
	long long serving = 0, wanted = talk_number(told, "workers_wanted");
	long long now = talk_number(told, "generation");
	const json_t *last = json_object_get(told, "last_reload");
	size_t i;
	json_t *one;

	if (strcmp(talk_word(told, "state"), "serving") != 0)
		add(to, "it is %s", talk_word(told, "state"));
	json_array_foreach(json_object_get(told, "workers"), i, one)
		serving += talk_number(one, "generation") == now && strcmp(talk_word(one, "state"), "serving") == 0;
	if (serving < wanted)
		add(to, "only %lld of %lld workers serve", serving, wanted);
	if (json_is_object(last) && !json_is_true(json_object_get(last, "applied")))
		add(to, "the last reload was refused, and generation %lld stays in force: %s", now,
		    talk_word(last, "text"));
	json_array_foreach(json_object_get(told, "barred"), i, one)
		add(to, "address %s is refused for %lld s: it was in flight in two crashes",
		    talk_word(one, "address"), talk_number(one, "for_s"));
}

static void add_line(void *with, const char *line)
{
	add(with, "%s", line);
}

/* The worst first: who is not served at all, who will not be soon, what is held up by something else. */
static json_t *judge(const json_t *told)
{
	json_t *problems = json_array();

	judge_processes(told, problems);
	judge_upstreams(told, problems);
	guard_judge(told, add_line, problems);
	judge_certificates(told, problems);
	judge_issuers(told, problems);
	judge_redis(json_object_get(told, "redis"), problems);
	return problems;
}

/* ---- as text ---- */

static void print_problems(const json_t *problems)
{
	size_t i;
	json_t *one;

	if (json_array_size(problems) == 0)
		printf("%snothing is known to be wrong%s\n", colour("\033[32m"), colour("\033[0m"));
	json_array_foreach((json_t *)(uintptr_t)problems, i, one)
		printf("%swrong:%s %s\n", colour("\033[31m"), colour("\033[0m"), json_string_value(one));
}

static void print_process(const char *name, const json_t *p)
{
	printf("  %-10s pid %-8lld generation %-4lld %-9s up %lld s\n", name, talk_number(p, "pid"),
	       talk_number(p, "generation"), talk_word(p, "state"), talk_number(p, "up_s"));
}

static void print_redis(const json_t *redis)
{
	const json_t *servers = json_object_get(redis, "servers");
	size_t i;
	json_t *one;

	if (!json_is_object(redis))
		return;
	printf("redis, %s: a fleet of %lld%s\n", talk_word(redis, "mode"), talk_number(redis, "fleet"),
	       json_array_size(servers) ? "" : "; no master is known");
	json_array_foreach((json_t *)(uintptr_t)servers, i, one) {
		const char *state = talk_word(one, "state");
		bool well = strcmp(state, "up") == 0;
		printf("  %s %s%s%s", talk_word(one, "server"), colour(well ? "\033[32m" : "\033[31m"), state,
		       colour("\033[0m"));
		if (json_is_string(json_object_get(one, "reason")))
			printf(" (%s)", talk_word(one, "reason"));
		printf(", used by %lld of %lld processes\n", talk_number(one, "used_by"),
		       talk_number(one, "used_by") + talk_number(one, "unused_by"));
	}
}

static void print_endpoint(const json_t *one)
{
	const char *state = talk_word(one, "state");
	bool ejected = strcmp(state, "ejected") == 0, well = !ejected && strcmp(state, "down") != 0;

	printf("  %s %s%s%s", talk_word(one, "endpoint"), colour(well ? "\033[32m" : "\033[31m"), state,
	       colour("\033[0m"));
	if (json_object_get(one, "checked_s"))
		printf(", checked %lld s ago", talk_number(one, "checked_s"));
	if (ejected)
		printf(" by %lld worker%s for its failures", talk_number(one, "ejected_by"),
		       talk_number(one, "ejected_by") == 1 ? "" : "s");
	putchar('\n');
}

static void print_upstreams(const json_t *told)
{
	size_t i, n;
	json_t *one, *endpoint;

	json_array_foreach(json_object_get(told, "upstreams"), i, one) {
		printf("upstream %s: %lld of %zu endpoints can be used\n", talk_word(one, "upstream"),
		       talk_number(one, "usable"), json_array_size(json_object_get(one, "endpoints")));
		json_array_foreach(json_object_get(one, "endpoints"), n, endpoint)
			print_endpoint(endpoint);
	}
}

static void print_limits(const json_t *told)
{
	size_t i;
	json_t *one;

	json_array_foreach(json_object_get(told, "limits"), i, one) {
		bool shadow = json_is_true(json_object_get(one, "shadow"));
		printf("limit %s %s lately: %lld times, %lld key%s; see: sallyport limits\n", talk_word(one, "limit"),
		       shadow ? "would have refused" : "has refused", talk_number(one, "refused"),
		       talk_number(one, "keys"), talk_number(one, "keys") == 1 ? "" : "s");
	}
}

static void print_certificates(const json_t *told)
{
	char day[32];
	size_t i;
	json_t *one;

	json_array_foreach(json_object_get(told, "certificates"), i, one)
		printf("certificate %s (%s %s) until %s, %lld days\n", talk_word(one, "file"), talk_word(one, "of"),
		       talk_word(one, "name"), day_of(talk_number(one, "not_after"), day), talk_number(one, "days"));
}

static void print_head(const json_t *told)
{
	const char *state = talk_word(told, "state");
	bool well = strcmp(state, "serving") == 0;
	const json_t *in_force = json_object_get(told, "in_force");
	char day[32];

	printf("sallyport %s, environment %s, %s%s%s for %lld s, generation %lld, %lld restarts\n",
	       talk_word(told, "version"), talk_word(told, "environment"), colour(well ? "\033[32m" : "\033[33m"),
	       state, colour("\033[0m"), talk_number(told, "up_s"), talk_number(told, "generation"),
	       talk_number(told, "restarts"));
	printf("configuration %s, in force since %s by %s (%s)\n", talk_word(told, "config"),
	       day_of(talk_number(in_force, "since"), day), talk_word(in_force, "user"),
	       talk_word(in_force, "cause"));
}

static void print_processes(const json_t *told)
{
	size_t i;
	json_t *one;

	json_array_foreach(json_object_get(told, "workers"), i, one) {
		char name[32];
		snprintf(name, sizeof name, "worker %lld", talk_number(one, "slot"));
		print_process(name, one);
	}
	print_process("keeper", json_object_get(told, "keeper"));
	print_process("writer", json_object_get(told, "writer"));
}

static void print_status(const json_t *told)
{
	const json_t *last = json_object_get(told, "last_reload");

	print_problems(json_object_get(told, "problems"));
	print_limits(told);
	print_head(told);
	print_processes(told);
	print_upstreams(told);
	talk_print_issuers(json_object_get(told, "issuers"), NULL);
	print_redis(json_object_get(told, "redis"));
	guard_print(json_object_get(told, "guard"));
	print_certificates(told);
	if (json_is_object(last))
		printf("last reload %s: %s", json_is_true(json_object_get(last, "applied")) ? "applied" : "refused",
		       talk_word(last, "text"));
	if (json_is_true(json_object_get(told, "reloading")))
		puts("a reload is under way");
}

/* Names are for people; the running process knows only numbers. */
static void name_user(json_t *in_force)
{
	const struct passwd *known = getpwuid((uid_t)talk_number(in_force, "uid"));
	char number[32];

	snprintf(number, sizeof number, "user %lld", talk_number(in_force, "uid"));
	if (in_force)
		json_object_set_new(in_force, "user", json_string(known ? known->pw_name : number));
}

int command_status(int argc, char **argv)
{
	struct options o;
	int done = options_read(argc, argv, "cso", status_usage, &o);

	if (done < 0)
		done = options_words(&o, 0, 0, status_usage);
	if (done >= 0)
		return done;
	json_t *told = talk_ask(&o, S("status"), STATUS_S, &done);
	if (!told)
		return done;
	json_object_set_new(told, "problems", judge(told));
	name_user(json_object_get(told, "in_force"));
	if (o.json)
		talk_print_json(told);
	else
		print_status(told);
	json_decref(told);
	return EXIT_OK;
}
