/* Reads a command's flags. */
#include "base/flags.h"
#include "base/distance.h"
#include <stdio.h>
#include <string.h>

enum { NAMES_MAX = 32 };

const char *flags_meant(const char *word, const char *const *words, unsigned len)
{
	const char *best = NULL;
	unsigned least = (unsigned)strlen(word) < 3 ? 2 : 3;

	for (unsigned i = 0; i < len; i++) {
		unsigned d = distance(slice_of(word), slice_of(words[i]));
		if (d < least) {
			least = d;
			best = words[i];
		}
	}
	return best;
}

/* "--confg=x" without its dashes and value, as far as it fits. */
static void bare(const char *word, char *to, size_t cap)
{
	size_t len;

	word += strspn(word, "-");
	len = strcspn(word, "=");
	snprintf(to, cap, "%.*s", (int)(len < cap ? len : cap - 1), word);
}

/* A long option that is not one, or the beginning of several. */
static void tell_long(const char *command, const char *word, const struct option *names)
{
	const char *all[NAMES_MAX];
	char wrong[64];
	unsigned len = 0;

	bare(word, wrong, sizeof wrong);
	for (; len < NAMES_MAX && names[len].name; len++)
		all[len] = names[len].name;
	const char *meant = flags_meant(wrong, all, len);
	fprintf(stderr, "sallyport %s: there is no option --%s", command, wrong);
	if (meant)
		fprintf(stderr, "; did you mean --%s?", meant);
	fputc('\n', stderr);
}

static void tell(const char *command, int got, const char *word, const struct option *names)
{
	const struct option *one = names;

	while (one->name && one->val != optopt)
		one++;
	if (!optopt)
		tell_long(command, word, names);
	else if (!one->name || (got == '?' && strncmp(word, "--", 2) != 0))
		fprintf(stderr, "sallyport %s: there is no option -%c\n", command, optopt);
	else if (got == ':')
		fprintf(stderr, "sallyport %s: --%s needs a value\n", command, one->name);
	else
		fprintf(stderr, "sallyport %s: --%s takes no value\n", command, one->name);
	fprintf(stderr, "See `sallyport %s --help`.\n", command);
}

int flags_next(int argc, char **argv, const struct option *names)
{
	char letters[2 * NAMES_MAX + 2] = ":";
	size_t len = 1;

	for (const struct option *o = names; o->name && len < sizeof letters - 3; o++) {
		if (o->val < 'a' || o->val > 'z')
			continue;
		letters[len++] = (char)o->val;
		if (o->has_arg == required_argument)
			letters[len++] = ':';
	}
	letters[len] = '\0';
	opterr = 0;
	int got = getopt_long(argc, argv, letters, names, NULL);
	if (got != ':' && got != '?')
		return got;
	tell(argv[0], got, argv[optind - 1], names);
	return FLAGS_BAD;
}

void flags_stray(const char *command, const char *word)
{
	fprintf(stderr, "sallyport %s: there is no place for the word \"%s\"\nSee `sallyport %s --help`.\n",
	        command, word, command);
}
