/* Options that all commands share. */
#include "base/clock.h"
#include "base/flags.h"
#include "command/inside.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool take(const char *command, int option, struct options *to)
{
	if (option == 'c')
		to->config = optarg;
	if (option == 's')
		to->socket = optarg;
	if (option == 'F')
		to->for_how_long = optarg;
	if (option == 'S')
		to->stop = true;
	if (option == 'K')
		to->show_keys = true;
	if (option == 'I')
		to->issuer = optarg;
	if (option == 'U')
		to->until = optarg;
	if (option == 'B')
		to->before = optarg;
	if (option == 'A')
		to->since = optarg;
	if (option != 'o')
		return option != FLAGS_BAD;
	to->json = strcmp(optarg, "json") == 0;
	if (to->json || strcmp(optarg, "text") == 0)
		return true;
	fprintf(stderr, "sallyport %s: -o takes text or json\nSee `sallyport %s --help`.\n", command, command);
	return false;
}

int options_read(int argc, char **argv, const char *takes, const char *usage, struct options *to)
{
	static const struct option all[] = {
		{ "config", required_argument, NULL, 'c' }, { "socket", required_argument, NULL, 's' },
		{ "output", required_argument, NULL, 'o' }, { "help", no_argument, NULL, 'h' },
		{ "for", required_argument, NULL, 'F' },    { "stop", no_argument, NULL, 'S' },
		{ "show-keys", no_argument, NULL, 'K' },    { "issuer", required_argument, NULL, 'I' },
		{ "until", required_argument, NULL, 'U' },  { "before", required_argument, NULL, 'B' },
		{ "since", required_argument, NULL, 'A' },
	};
	enum { ALL = sizeof all / sizeof all[0] };
	struct option names[ALL + 1] = { 0 };
	size_t len = 0;
	int option;

	for (size_t i = 0; i < ALL; i++)
		if (all[i].val == 'h' || strchr(takes, all[i].val))
			names[len++] = all[i];
	*to = (struct options){ .config = DEFAULT_CONFIG };
	optind = 0; /* starts again */
	while ((option = flags_next(argc, argv, names)) != FLAGS_END) {
		if (option == 'h') {
			fputs(usage, stdout);
			return EXIT_OK;
		}
		if (!take(argv[0], option, to))
			return EXIT_USAGE;
	}
	to->command = argv[0];
	to->rest = argv + optind;
	to->rest_len = argc - optind;
	return -1;
}

bool options_duration(const char *text, unsigned long long *seconds)
{
	static const struct {
		char unit;
		unsigned seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	size_t len = strlen(text);
	uint64_t n;

	if (len < 2 || len > 10 || !slice_u64((struct slice){ text, len - 1 }, &n))
		return false;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (units[i].unit == text[len - 1]) {
			*seconds = n * units[i].seconds;
			return true;
		}
	return false;
}

bool options_time(const char *text, enum options_durations durations, uint64_t *to)
{
	uint64_t now_s = clock_wall_ns() / NS_PER_S;
	struct tm tm = { 0 };
	unsigned long long s;

	*to = 0;
	if (!text)
		return true;
	if (durations != OPTIONS_MOMENT && options_duration(text, &s)) {
		*to = durations == OPTIONS_AHEAD ? now_s + s : now_s > s ? now_s - s : 1;
		return true;
	}
	if (slice_u64(slice_of(text), to))
		return *to > 0;
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	time_t at = end && !*end ? timegm(&tm) : 0;
	*to = at > 0 ? (uint64_t)at : 0;
	return at > 0;
}

int options_words(const struct options *o, int least, int most, const char *usage)
{
	if (o->rest_len >= least && o->rest_len <= most)
		return -1;
	if (o->rest_len > most)
		flags_stray(o->command, o->rest[most]);
	else
		fputs(usage, stderr);
	return EXIT_USAGE;
}

const char *colour(const char *code)
{
	const char *refused = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && !(refused && *refused) ? code : "";
}
