#include "command/inside.h"
#include "process/process.h"
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
	fputs(usage, stderr);
	return EXIT_USAGE;
}
