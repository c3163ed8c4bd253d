/* scene.h -- the whole data plane in one process on a clock that the scene moves: a plain listener reached
 * through socket pairs, upstreams on Unix sockets in the same loop, an issuer that can be taken away. Shared
 * by the runner's files. */
#pragma once
#include "base/text.h"
#include "dev/signer.h"
#include "http/http.h"
#include "issuer/issuer.h"
#include "journey/journey.h"

#define CLIENTS 16
#define UPSTREAMS 4
#define ANSWERS 32

struct upstream_answer { char method[8], path[128]; unsigned status; bool used; };

struct fake_upstream {
	char name[32], socket[128];
	int fd;
	struct miniserver *server;
	struct upstream_answer answers[ANSWERS];
	unsigned answers_len;
	unsigned seen;             /* requests */
	char last[4096];           /* fields of the last request, "name: value\n" each */
	bool silent;               /* takes requests and never answers: not listening in our loop */
};

struct fake_client {
	char name[32], behind[64]; /* behind: by the PROXY protocol; empty: it comes itself */
	struct sockaddr_storage at;
	int fd;
	char fields[512];
};

struct scene {
	const char *file;
	unsigned line;
	char directory[64];
	struct loop *loop;
	struct bundle *bundle;
	struct config *config;
	struct journey *journey;
	struct limit_table *table;
	struct exchanges *exchanges;
	struct logins *logins;
	struct published_issuers *keys;
	struct issuer_keeper *keeper;
	struct forward_published *endpoints;
	struct ticket_keys *tickets;
	struct signer *signer;
	bool issuer_up, issuer_hangs;
	struct in6_addr barred;    /* an address that crashed workers */
	unsigned fetches;
	struct fake_upstream upstreams[UPSTREAMS];
	unsigned upstreams_len;
	struct fake_client clients[CLIENTS];
	unsigned clients_len;
	char log[65536];
	size_t log_len;
	uint64_t ends;             /* log lines: requests that passed SETTLE */
};

extern uint64_t scene_now_ns;  /* the clock */
_Noreturn void scene_fail(const struct scene *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* world.c */
void world_open(struct scene *s, struct slice config);
void world_close(struct scene *s);
void world_settle(struct scene *s);         /* turns until nothing moves */
void world_pass(struct scene *s, uint64_t ns); /* the clock moves in small steps */
struct fake_upstream *world_upstream(struct scene *s, struct slice name);

/* client.c */
struct said { unsigned status; char head[8192]; char body[8192]; };
void client_send(struct scene *s, struct fake_client *c, struct slice method, struct slice target,
                 struct slice fields, struct slice body);
void client_more(struct scene *s, struct fake_client *c, struct slice bytes);
void client_take(struct scene *s, struct fake_client *c, struct said *to); /* status 0: no answer */
