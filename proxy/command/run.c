/* `sallyport run` and `sallyport check`. */
#include "command/inside.h"
#include "supervisor/supervisor.h"

static const char run_usage[] =
    "usage: sallyport run [-c FILE]\n"
    "Serves with the configuration of FILE (default " DEFAULT_CONFIG ") until told to end.\n"
    "SIGTERM: not ready any more, drains, ends; once more: ends at once. SIGINT: without the delay.\n"
    "SIGHUP: reads the configuration again. SIGUSR1: opens its logs again.\n"
    "Exit status: 0 after an orderly end, 1 failure, 2 usage, 78 the configuration is refused.\n";

static const char check_usage[] =
    "usage: sallyport check [-c FILE] [-o text|json]\n"
    "Says whether the configuration of FILE would be accepted: everything is read, certificates and rules\n"
    "are loaded, but nothing is bound, created or changed.\n"
    "Exit status: 0 it would be, 2 usage, 78 it would not.\n";

int command_run(int argc, char **argv)
{
	struct options o;
	int done = options_read(argc, argv, "c", run_usage, &o);

	if (done < 0)
		done = options_words(&o, 0, 0, run_usage);
	if (done >= 0)
		return done;
	const struct run_options run = { .config = o.config };
	return process_run(&run);
}

int command_check(int argc, char **argv)
{
	struct options o;
	int done = options_read(argc, argv, "co", check_usage, &o);

	if (done < 0)
		done = options_words(&o, 0, 0, check_usage);
	if (done >= 0)
		return done;
	const struct run_options run = { .config = o.config };
	int status = process_check(&run);
	if (o.json)
		printf("{\"accepted\":%s}\n", status == 0 ? "true" : "false");
	else if (status == 0)
		printf("%s is accepted\n", o.config);
	return status;
}
