#include "command/inside.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool take(const char *command, int option, const char *takes, struct options *to)
{
	if (option == '?' || option == ':' || !strchr(takes, option))
		return false;
	if (option == 'c')
		to->config = optarg;
	if (option == 's')
		to->socket = optarg;
	if (option == 'F')
		to->for_how_long = optarg;
	if (option == 'S')
		to->stop = true;
	if (option != 'o')
		return true;
	to->json = strcmp(optarg, "json") == 0;
	if (!to->json && strcmp(optarg, "text") != 0) {
		fprintf(stderr, "sallyport %s: -o takes text or json\n", command);
		return false;
	}
	return true;
}

int options_read(int argc, char **argv, const char *takes, const char *usage, struct options *to)
{
	static const struct option names[] = {
		{ "config", required_argument, NULL, 'c' }, { "socket", required_argument, NULL, 's' },
		{ "output", required_argument, NULL, 'o' }, { "help", no_argument, NULL, 'h' },
		{ "for", required_argument, NULL, 'F' }, { "stop", no_argument, NULL, 'S' }, { 0 },
	};
	int option;

	*to = (struct options){ .config = DEFAULT_CONFIG };
	optind = 0; /* starts anew */
	while ((option = getopt_long(argc, argv, "c:s:o:h", names, NULL)) != -1) {
		if (option == 'h') {
			fputs(usage, stdout);
			return EXIT_OK;
		}
		if (!take(argv[0], option, takes, to)) {
			fprintf(stderr, "See `sallyport %s --help`.\n", argv[0]);
			return EXIT_USAGE;
		}
	}
	to->rest = argv + optind;
	to->rest_len = argc - optind;
	return -1;
}

bool options_duration(const char *text, unsigned long long *seconds)
{
	static const struct { char unit; unsigned seconds; } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 },
		{ 'd', 86400 } };
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

int options_words(const struct options *o, int least, int most, const char *usage)
{
	if (o->rest_len >= least && o->rest_len <= most)
		return -1;
	fputs(usage, stderr);
	return EXIT_USAGE;
}

const char *colour(const char *code)
{
	const char *refused = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && !(refused && *refused) ? code : "";
}

/* Edits that turn one word into another (Levenshtein); words are short. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[64], len = (unsigned)strlen(b);

	if (len >= sizeof row / sizeof row[0])
		return ~0u;
	for (unsigned j = 0; j <= len; j++)
		row[j] = j;
	for (unsigned i = 1; a[i - 1]; i++) {
		unsigned corner = row[0];
		row[0] = i;
		for (unsigned j = 1; j <= len; j++) {
			unsigned best = corner + (a[i - 1] != b[j - 1]);
			corner = row[j];
			best = best < row[j] + 1 ? best : row[j] + 1;
			row[j] = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
		}
	}
	return row[len];
}

const char *nearest(const char *to, const char *const *words, unsigned len)
{
	const char *best = NULL;
	unsigned least = 3;

	for (unsigned i = 0; i < len; i++) {
		unsigned d = distance(to, words[i]);
		if (d < least) {
			least = d;
			best = words[i];
		}
	}
	return best;
}
