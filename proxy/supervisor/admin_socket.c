/* Where is the admin socket of a configuration? Asked by those who want to mend one that is wrong, so a
 * file that would be refused still tells. */
#include "supervisor/supervisor.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#define DEFAULT_SOCKET "/run/sallyport/admin.sock"

static const yaml_node_t *find(yaml_document_t *d, const yaml_node_t *map, const char *key)
{
	if (!map || map->type != YAML_MAPPING_NODE)
		return NULL;
	for (const yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
		const yaml_node_t *name = yaml_document_get_node(d, p->key);
		if (name && name->type == YAML_SCALAR_NODE && strcmp((const char *)name->data.scalar.value, key) == 0)
			return yaml_document_get_node(d, p->value);
	}
	return NULL;
}

/* Only what the file itself says, as far as it is YAML at all. */
static bool read_leniently(const char *config, char *to, size_t cap)
{
	yaml_parser_t parser;
	yaml_document_t d;
	FILE *file = fopen(config, "re");
	bool found = false;

	if (!file)
		return false;
	if (!yaml_parser_initialize(&parser)) {
		fclose(file);
		return false;
	}
	yaml_parser_set_input_file(&parser, file);
	if (yaml_parser_load(&parser, &d)) {
		const yaml_node_t *socket = find(&d, find(&d, yaml_document_get_root_node(&d), "admin"), "socket");
		if (socket && socket->type == YAML_SCALAR_NODE) {
			const char *text = (const char *)socket->data.scalar.value, *slash = strrchr(config, '/');
			int dir = *text == '/' || !slash ? 0 : (int)(slash - config) + 1;
			int len = snprintf(to, cap, "%.*s%s", dir, config, text);
			found = len > 0 && (size_t)len < cap;
		}
		yaml_document_delete(&d);
	}
	yaml_parser_delete(&parser);
	fclose(file);
	return found;
}

bool process_socket(const char *config, char *to, size_t cap)
{
	const struct reload_plan plan = { .path = config, .free_of_pin = true };
	struct bundle *bundle = NULL;
	char *text;
	struct config *c = reload_here(&plan, &bundle, &text);
	bool found = c && snprintf(to, cap, "%.*s", SLICE(c->root.admin.socket)) < (int)cap;

	free(text);
	if (c)
		config_free(c);
	if (bundle)
		bundle_close(bundle);
	if (found || read_leniently(config, to, cap))
		return true;
	FILE *file = fopen(config, "re");
	if (!file) {
		fprintf(stderr, "sallyport: %s cannot be read\n", config);
		return false;
	}
	fclose(file);
	snprintf(to, cap, DEFAULT_SOCKET);
	return true;
}
