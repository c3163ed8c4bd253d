/* dev.c -- `sallyport dev`. */
#include "dev/dev.h"
#include "base/flags.h"
#include "dev/child.h"
#include "dev/example.h"
#include "supervisor/supervisor.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char usage[] =
    "usage: sallyport dev [options]\n"
    "Runs a whole Sallyport on this machine, for trying it out: TLS with a certificate of a local CA, an\n"
    "issuer of tokens, an echo upstream, an example configuration. Prints lines to paste. Needs no root and\n"
    "no file; listens on loopback addresses only; writes only below\n"
    "${XDG_STATE_HOME:-~/.local/state}/sallyport, and no trust store is touched.\n"
    "  --port N         the proxy's port (default 8443); the next three are the issuer's, the echo\n"
    "                   upstream's, and that of probes and metrics\n"
    "  --print-config   print the example configuration and end\n"
    "Exit status: 0 ended by a signal, 1 failure, 2 usage, 78 this host is not for the environment dev.\n";

struct dev {
	struct dev_place place;
	bool print_config;
	char config[5 * PATH_MAX + 4096], lines[24 * PATH_MAX];
};

/* 0: go on; otherwise the exit status plus one. */
static int read_options(int argc, char **argv, struct dev *d)
{
	enum { PORT = 256, PRINT_CONFIG };
	static const struct option options[] = {
		{ "port", required_argument, NULL, PORT },
		{ "print-config", no_argument, NULL, PRINT_CONFIG },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	uint64_t port = DEV_PORT;
	int o;

	optind = 0;
	while ((o = flags_next(argc, argv, options)) != FLAGS_END) {
		switch (o) {
		case PRINT_CONFIG:
			d->print_config = true;
			break;
		case PORT:
			if (!slice_u64(slice_of(optarg), &port) || port > 65535)
				port = 0; /* refused below, with the range */
			break;
		case 'h':
			fputs(usage, stdout);
			return 1;
		default:
			return 3;
		}
	}
	if (optind < argc) {
		flags_stray(argv[0], argv[optind]);
		return 3;
	}
	return place_find(&d->place, (unsigned)port) ? 0 : 3;
}

/* The issuer gives tokens to anybody: where the host is for something else, not even that may start. */
static bool host_allows(void)
{
	const struct reload_plan plan = { .path = "dev.yaml", .pin_file = RELOAD_PIN_FILE };
	char store[1024];
	struct text why = TEXT(store);

	if (reload_pin_allows(&plan, S("dev"), &why))
		return true;
	fprintf(stderr, "sallyport: %.*s\n", SLICE(text_slice(&why)));
	return false;
}

static void on_ready(void *with)
{
	struct dev *d = with;

	fputs(d->lines, stdout);
	fflush(stdout);
}

static int run(struct dev *d)
{
	char path[PATH_MAX];
	struct text config = TEXT(d->config), lines = TEXT(d->lines);

	if (!example_config(&d->place, &config) || !example_lines(&d->place, &lines) ||
	    !place_file(&d->place, "dev.yaml", path))
		return 1;
	if (d->print_config) {
		fputs(d->config, stdout);
		return 0;
	}
	if (!host_allows())
		return 78;
	setenv("XDG_STATE_HOME", d->place.home, 1); /* what else is kept on this machine lies there, too */
	pid_t child = child_start(&d->place);
	if (child < 0)
		return 1;
	const struct reload_file file = { path, text_slice(&config) };
	const struct run_options options = {
		.config = path, .files = &file, .files_len = 1, .hangup_ends = true, .on_ready = on_ready, .with = d
	};
	int status = process_run(&options);
	child_stop(child);
	return status;
}

int dev_main(int argc, char **argv)
{
	static struct dev dev;
	int done = read_options(argc, argv, &dev);

	return done ? done - 1 : run(&dev);
}
