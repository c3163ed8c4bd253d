/* Finds the command that the first word names. */
#include "base/flags.h"
#include "command/command.h"
#include "command/inside.h"
#include "dev/dev.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct command {
	const char *name, *text;
	int (*body)(int argc, char **argv);
} commands[] = {
	{ "run", "run -c FILE            serve, until told to end", command_run },
	{ "check", "check -c FILE          say whether a configuration would be accepted", command_check },
	{ "dev", "dev                    a whole local Sallyport for trying it out, without a file", dev_main },
	{ "reload", "reload                 have the running one read its configuration again", command_reload },
	{ "status", "status                 what is wrong, and what it is doing", command_status },
	{ "issuer",
	  "issuer status          its issuers: how old their keys are, what failed\n"
	  "  issuer drill NAME KIND pretend for a while that one is away",
	  command_issuer },
	{ "limits",
	  "limits                 the busiest keys of its limits and what is left to them\n"
	  "  limits reset LIMIT KEY let a key begin anew",
	  command_limits },
	{ "revoke",
	  "revoke jti|sub|sid|kid VALUE --issuer NAME\n"
	  "                         tokens refused from now on; `revoke list`, `revoke undo`",
	  command_revoke },
	{ "guard",
	  "guard status           whether answers that say \"it is not there\" are held, and why\n"
	  "  guard trip|release     hold them, or accept what is absent now",
	  command_guard },
	{ "ledger", "ledger --since TIME    which machine clients an absence has met", command_ledger },
	{ "config",
	  "config explain KEY     what an option means\n"
	  "  config print -c FILE   the configuration as it takes effect, secrets hidden",
	  command_config },
	{ "token", "token mint             a token of the dev issuer", dev_token },
	{ "version", "version                the version of this program", command_version },
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void help(FILE *to)
{
	fputs("usage: sallyport COMMAND [options]\n\nA guarded entrance: an evented TLS reverse proxy.\n\n", to);
	for (unsigned i = 0; i < COMMANDS; i++)
		fprintf(to, "  %s\n", commands[i].text);
	fputs("\nEach has --help. Exit status: 0 ok, 1 failure, 2 usage, 3 no daemon, 78 bad configuration.\n",
	      to);
}

static int unknown(const char *name)
{
	const char *names[COMMANDS];

	for (unsigned i = 0; i < COMMANDS; i++)
		names[i] = commands[i].name;
	const char *meant = flags_meant(name, names, COMMANDS);
	fprintf(stderr, "sallyport: there is no command %s", name);
	if (meant)
		fprintf(stderr, "; did you mean %s?\n", meant);
	else
		fputs("; `sallyport --help` lists them\n", stderr);
	return EXIT_USAGE;
}

static int dispatch(int argc, char **argv)
{
	if (argc < 2) {
		help(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
		help(stdout);
		return EXIT_OK;
	}
	if (strcmp(argv[1], "--version") == 0)
		return command_version(1, argv + 1);
	for (unsigned i = 0; i < COMMANDS; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].body(argc - 1, argv + 1);
	return unknown(argv[1]);
}

int command_main(int argc, char **argv)
{
	int status = dispatch(argc, argv);

	/* data that did not arrive, on a full disk for instance, is a failure */
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fprintf(stderr, "sallyport: the output cannot be written: %s\n", strerror(errno));
	return status == EXIT_OK ? EXIT_FAILED : status;
}
