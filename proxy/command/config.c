/* `sallyport config`: shows and explains the configuration. */
#include "base/flags.h"
#include "command/inside.h"
#include "supervisor/supervisor.h"
#include <string.h>

static const char usage[] =
    "usage: sallyport config explain KEY [-o text|json]\n"
    "       sallyport config print [-c FILE] [-o text|json]\n"
    "explain: what an option means, its type, default and range; KEY for instance routes.verify.issuer.\n"
    "print: the configuration as it takes effect, includes merged, defaults filled in, secrets hidden.\n"
    "Exit status: 0 ok, 1 no such key, 2 usage, 78 the configuration is refused.\n";

static int print(const struct options *o)
{
	const struct run_options run = { .config = o->config };
	struct bundle *bundle = NULL;
	struct config *c = process_config(&run, &bundle);

	if (c)
		config_print(stdout, c, o->json);
	int status = c ? EXIT_OK : EXIT_CONFIG;
	if (c)
		config_free(c);
	if (bundle)
		bundle_close(bundle);
	return status;
}

static int refuse(const struct options *o)
{
	static const char *const verbs[] = { "explain", "print" };
	const char *verb = o->rest[0], *meant = flags_meant(verb, verbs, 2);

	if (strcmp(verb, "print") == 0)
		flags_stray("config", o->rest[1]);
	else if (strcmp(verb, "explain") == 0)
		fputs("sallyport config: which option? For instance `config explain routes.limits`\n", stderr);
	else
		fprintf(stderr, "sallyport config: there is no verb %s%s%s%s\nSee `sallyport config --help`.\n", verb,
		        meant ? "; did you mean " : "", meant ? meant : "", meant ? "?" : "");
	return EXIT_USAGE;
}

int command_config(int argc, char **argv)
{
	struct options o;
	int done = options_read(argc, argv, "co", usage, &o);

	if (done < 0)
		done = options_words(&o, 1, 2, usage);
	if (done >= 0)
		return done;
	if (strcmp(o.rest[0], "print") == 0 && o.rest_len == 1)
		return print(&o);
	if (strcmp(o.rest[0], "explain") == 0 && o.rest_len == 2)
		return config_explain(stdout, o.rest[1], o.json) ? EXIT_OK : EXIT_FAILED;
	return refuse(&o);
}
