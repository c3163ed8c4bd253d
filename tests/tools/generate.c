/* generate.c -- writes what is generated from the tables: usage: generate DIRECTORY.
 * OPTIONS.md, sallyport.schema.json and sallyport.conf.5 come from options.def, METRICS.md from counters.def.
 */
#include "config/config.h"
#include "metrics/metrics.h"
#include <stdlib.h>

static void write_piece(void *to, struct slice piece)
{
	fwrite(piece.at, 1, piece.len, to);
}

static void write_metrics_md(FILE *to)
{
	metrics_document(write_piece, to);
}

static void generate(const char *directory, const char *name, void (*write)(FILE *to))
{
	char path[4096];

	snprintf(path, sizeof path, "%s/%s", directory, name);
	FILE *to = fopen(path, "w");
	if (!to) {
		perror(path);
		exit(1);
	}
	write(to);
	if (fclose(to)) {
		perror(path);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: generate DIRECTORY\n");
		return 2;
	}
	generate(argv[1], "OPTIONS.md", config_write_options_md);
	generate(argv[1], "sallyport.schema.json", config_write_schema);
	generate(argv[1], "sallyport.conf.5", config_write_man);
	generate(argv[1], "METRICS.md", write_metrics_md);
	return 0;
}
