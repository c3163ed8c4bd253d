/* Closes and overwrites what a new process inherited and must not know. */
#include "shared/forget.h"
#include "config/config.h"
#include <unistd.h>

static void forget_variable(struct slice name)
{
	for (char **at = environ; *at; at++)
		if (strncmp(*at, name.at, name.len) == 0 && (*at)[name.len] == '=')
			secret_wipe(*at + name.len + 1, strlen(*at + name.len + 1));
}

static void forget_generation(const struct generation *g, bool keeps)
{
	struct slice name;

	for (size_t at = 0; bundle_next_variable(g->bundle, &at, &name);)
		forget_variable(name);
	if (!keeps && g->sealed.keeper >= 0)
		close(g->sealed.keeper);
}

void forget_inherited(struct child_context *p)
{
	bool is_keeper = p->role == ROLE_KEEPER;
	size_t len = p->generations ? GENERATIONS_MAX + 1 : 1;

	for (size_t i = 0; i < len; i++) {
		const struct generation *g = p->generations ? p->generations[i] : p->generation;
		if (g)
			forget_generation(g, is_keeper && g == p->generation);
	}
	if (!is_keeper && p->machine_fd >= 0)
		close(p->machine_fd);
}
