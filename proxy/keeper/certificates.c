/* Finds the certificates that a configuration names. */
#include "keeper/certificates.h"
#include "tls/tls.h"

struct visit {
	struct bundle *bundle;
	void (*take)(void *with, const struct certificate *one);
	void *with;
};

static void look(const struct visit *v, const char *of, struct slice whose, struct slice file,
                 struct config_place place, bool authorities)
{
	struct certificate one = { .of = of, .whose = whose, .file = file, .place = place };

	if (tls_file_ends(v->bundle, file, authorities, &one.end_s))
		v->take(v->with, &one);
}

static void look_at_listener(const struct visit *v, const struct config_listener *l)
{
	for (size_t i = 0; l->tls && i < l->tls->certificates_len; i++)
		look(v, "listener", l->address, l->tls->certificates[i].chain, l->tls->certificates[i].place, false);
	if (l->tls)
		look(v, "clients of listener", l->address, l->tls->client_ca, l->tls->place, true);
}

void certificates_each(const struct config *c, struct bundle *b,
                       void (*take)(void *with, const struct certificate *one), void *with)
{
	const struct visit v = { b, take, with };
	const struct config_redis *redis = c->root.redis;

	for (size_t i = 0; i < c->root.listeners_len; i++)
		look_at_listener(&v, &c->root.listeners[i]);
	for (size_t i = 0; i < c->root.upstreams_len; i++) {
		const struct config_upstream *u = &c->root.upstreams[i];
		look(&v, "CA of upstream", u->id, u->tls.ca, u->place, true);
		look(&v, "upstream", u->id, u->tls.chain, u->place, false);
	}
	if (redis) {
		look(&v, "CA of Redis", S(""), redis->tls.ca, redis->place, true);
		look(&v, "Redis", S(""), redis->tls.chain, redis->place, false);
	}
}
