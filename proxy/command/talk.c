/* The commands that ask a running Sallyport. */
#include "admin/admin.h"
#include "command/inside.h"
#include "supervisor/supervisor.h"
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RELOAD_S 3700u /* earlier generations may drain for an hour first */
#define DEFAULT_SOCKET "/run/sallyport/admin.sock"

static const char reload_usage[] =
    "usage: sallyport reload [-s SOCKET | -c FILE] [-o text|json]\n"
    "Has the running Sallyport read its configuration again, and waits for the outcome. A configuration\n"
    "that is refused changes nothing. -s: its admin socket; -c: the configuration that names the socket.\n"
    "Exit status: 0 in force, 1 failure, 2 usage, 3 none is running, 78 the configuration is refused.\n";

static const char version_usage[] = "usage: sallyport version [-o text|json]\n"
                                    "The version of this program.\n";

/* -s, else what the configuration says, else the default where there is no configuration. */
static int find_socket(const struct options *o, char to[static PATH_MAX])
{
	if (o->socket || access(o->config, F_OK) != 0) {
		if (!o->socket && strcmp(o->config, DEFAULT_CONFIG) != 0) {
			fprintf(stderr, "sallyport: there is no file %s\n", o->config);
			return EXIT_CONFIG;
		}
		snprintf(to, PATH_MAX, "%s", o->socket ? o->socket : DEFAULT_SOCKET);
		return EXIT_OK;
	}
	return process_socket(o->config, to, PATH_MAX) ? EXIT_OK : EXIT_CONFIG;
}

static int complain(enum admin_result result, const char *text)
{
	switch (result) {
	case ADMIN_ABSENT:
		fprintf(stderr, "sallyport: none is running here (%s)\n", text ? text : "no socket");
		return EXIT_NO_DAEMON;
	case ADMIN_DENIED:
		fprintf(stderr, "sallyport: the admin socket lets only root and its own user in (%s)\n",
		        text ? text : "denied");
		return EXIT_FAILED;
	default:
		fprintf(stderr, "sallyport: %s\n", text ? text : "out of memory");
		return EXIT_FAILED;
	}
}

json_t *talk_ask(const struct options *o, struct slice verb, unsigned timeout_s, int *status)
{
	char path[PATH_MAX], *answer = NULL;
	json_error_t error;

	*status = find_socket(o, path);
	if (*status != EXIT_OK)
		return NULL;
	enum admin_result result = admin_call(path, verb, timeout_s, &answer);
	json_t *told = NULL;
	if (result != ADMIN_ANSWERED) {
		*status = complain(result, answer);
	} else if (!(told = json_loads(answer, 0, &error))) {
		*status = EXIT_FAILED;
		fprintf(stderr, "sallyport: the answer cannot be read: %s\n", error.text);
	} else if (json_object_get(told, "error")) {
		*status = EXIT_FAILED;
		fprintf(stderr, "sallyport: %s\n", json_string_value(json_object_get(told, "error")));
		json_decref(told);
		told = NULL;
	}
	free(answer);
	return told;
}

void talk_print_json(const json_t *told)
{
	json_dumpf(told, stdout, JSON_INDENT(2));
	putchar('\n');
}

int command_reload(int argc, char **argv)
{
	struct options o;
	int done = options_read(argc, argv, "cso", reload_usage, &o);

	if (done < 0)
		done = options_words(&o, 0, 0, reload_usage);
	if (done >= 0)
		return done;
	json_t *told = talk_ask(&o, S("reload"), RELOAD_S, &done);
	if (!told)
		return done;
	int status = (int)json_integer_value(json_object_get(told, "exit"));
	const char *text = json_string_value(json_object_get(told, "text"));
	if (o.json)
		talk_print_json(told);
	else if (status == 0)
		fputs(text ? text : "", stdout);
	if (status != 0)
		fprintf(stderr, "%ssallyport: the reload was refused and nothing has changed\n", text ? text : "");
	json_decref(told);
	return status;
}

int command_version(int argc, char **argv)
{
	struct options o;
	int done = options_read(argc, argv, "o", version_usage, &o);

	if (done < 0)
		done = options_words(&o, 0, 0, version_usage);
	if (done >= 0)
		return done;
	printf(o.json ? "{\"version\":\"%s\"}\n" : "sallyport %s\n", process_version());
	return EXIT_OK;
}
