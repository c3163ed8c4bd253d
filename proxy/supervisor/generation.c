/* Configurations that are in force or drain. */
#include "base/check.h"
#include "supervisor/inside.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static char *say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static char *say(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	int len = vasprintf(&text, format, args);
	va_end(args);
	return len < 0 ? NULL : text;
}

static unsigned workers_wanted(const struct config *c)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t n = c->root.workers ? c->root.workers : cores > 0 ? (uint64_t)cores : 1;

	return n < SLOTS_MAX ? (unsigned)n : SLOTS_MAX;
}

static bool read_sealed(struct generation *g, const char *path, char **text)
{
	struct config_errors errors = { 0 };

	g->bundle = bundle_open(g->sealed.all);
	if (!g->bundle) {
		*text = say("the memory file of the configuration cannot be read: %s\n", strerror(errno));
		return false;
	}
	g->config = config_load(g->bundle, path, &errors);
	if (!g->config)
		*text = errors.text ? strdup(errors.text) : say("%s cannot be read again\n", path);
	config_errors_free(&errors);
	return g->config != NULL;
}

struct generation *generation_open(struct supervisor *s, struct bundle_sealed sealed, char **text)
{
	struct generation *g = calloc(1, sizeof *g);

	*text = NULL;
	if (!g) {
		bundle_sealed_close(&sealed);
		return NULL;
	}
	g->sealed = sealed;
	if (!read_sealed(g, s->plan.path, text)) {
		generation_free(g);
		return NULL;
	}
	g->workers = workers_wanted(g->config);
	g->number = ++s->last_number;
	unsigned place = 0;
	while (place < GENERATIONS_MAX + 1 && s->generations[place])
		place++;
	check(place < GENERATIONS_MAX + 1); /* a reload waits while two drain */
	s->generations[place] = g;
	return g;
}

void generation_free(struct generation *g)
{
	if (!g)
		return;
	if (g->config)
		config_free(g->config);
	if (g->bundle)
		bundle_close(g->bundle);
	bundle_sealed_close(&g->sealed);
	free(g);
}

static bool is_used(const struct supervisor *s, const struct generation *g)
{
	if (g == s->children.now || g == s->next || g == s->old)
		return true;
	for (unsigned i = 0; i < SEATS_MAX; i++)
		if (s->children.child[i].pid && s->children.child[i].generation == g)
			return true;
	return false;
}

/* Does any worker of an earlier configuration still accept? */
static bool is_accepted_before(const struct supervisor *s)
{
	for (unsigned i = SEAT_WORKERS; i < SEATS_MAX; i++)
		if (s->children.child[i].pid && s->children.child[i].generation != s->children.now &&
		    shared_state(&s->shared, i) < SEAT_DRAINING)
			return true;
	return false;
}

void generations_sweep(struct supervisor *s)
{
	for (unsigned i = 0; i < GENERATIONS_MAX + 1; i++)
		if (s->generations[i] && !is_used(s, s->generations[i])) {
			generation_free(s->generations[i]);
			s->generations[i] = NULL;
		}
	if (s->stage == STAGE_IDLE && s->children.now && !is_accepted_before(s))
		sockets_trim(&s->sockets, s->children.now->config->root.listeners,
		             s->children.now->config->root.listeners_len);
}

unsigned generations_draining(const struct supervisor *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < GENERATIONS_MAX + 1; i++)
		n += s->generations[i] && s->generations[i] != s->children.now;
	return n;
}
