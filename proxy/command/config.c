#include "command/inside.h"
#include "metrics/metrics.h"
#include "process/process.h"
#include <string.h>

static const char usage[] =
	"usage: sallyport config explain KEY [-o text|json]\n"
	"       sallyport config print [-c FILE] [-o text|json]\n"
	"       sallyport config document options|schema|man|metrics\n"
	"explain: what an option means, its type, default and range; KEY for instance routes.verify.issuer.\n"
	"print: the configuration as it takes effect, includes merged, defaults filled in, secrets hidden.\n"
	"document: the reference that is generated from the option and metric tables.\n"
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

static void write_piece(void *with, struct slice piece)
{
	(void)with;
	fwrite(piece.at, 1, piece.len, stdout);
}

static int document(const char *what)
{
	if (strcmp(what, "options") == 0)
		config_write_options_md(stdout);
	else if (strcmp(what, "schema") == 0)
		config_write_schema(stdout);
	else if (strcmp(what, "man") == 0)
		config_write_man(stdout);
	else if (strcmp(what, "metrics") == 0)
		metrics_document(write_piece, NULL);
	else {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	return EXIT_OK;
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
	if (strcmp(o.rest[0], "document") == 0 && o.rest_len == 2)
		return document(o.rest[1]);
	fputs(usage, stderr);
	return EXIT_USAGE;
}
