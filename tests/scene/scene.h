/* scene.h -- the whole data plane in one process on a clock that the scene moves: listeners reached through
 * socket pairs, upstreams and a Redis on Unix sockets in the same loop, an issuer that can be taken away.
 * Shared by the runner's files. What the lines of a scene mean: README.md. */
#pragma once
#include "base/text.h"
#include "dev/signer.h"
#include "http/http.h"
#include "issuer/issuer.h"
#include "journey/journey.h"

#define CLIENTS 16
#define UPSTREAMS 4
#define ANSWERS 32
#define PEERS 32 /* connections of one upstream, or of Redis */
#define MACHINES 2
#define GENERATIONS 8 /* configurations of one machine that may be alive at once */
#define OPAQUE_TOKENS 8
#define ISSUER_ANSWERS 32
#define BUFFER 32768

struct scene;

/* ---- what surrounds the data plane ---- */
struct peer { /* a connection from the data plane */
	int fd;   /* -1: free */
	char in[BUFFER];
	size_t len;
	bool echoes;  /* a tunnel: what comes goes back */
	bool streams; /* an answer has begun and goes on */
};

struct upstream_answer {
	char method[8], path[128], body[256], fields[256];
	enum upstream_does { DOES_ANSWER, DOES_CUT, DOES_HANG, DOES_BEGIN, DOES_WRITE } does;
	unsigned status;
	bool once;
};

struct fake_upstream {
	char name[32], socket[128];
	int fd; /* listening; -1: down */
	struct peer peers[PEERS];
	struct upstream_answer answers[ANSWERS];
	unsigned answers_len;
	unsigned seen;     /* requests */
	unsigned gone;     /* connections that the data plane closed in the middle of an answer */
	char last[BUFFER]; /* the last request: its head, its body, and its trailers as they came */
};

struct redis_key {
	char name[128], text[128];
	uint64_t value, expires_ms;
};
struct fake_redis {
	char socket[128];
	int fd; /* listening; -1: down */
	bool hangs;
	struct peer peers[PEERS];
	struct redis_key keys[64];
	unsigned commands; /* about keys */
};

struct opaque_token {
	char token[64], claims[256];
};
struct issuer_answer {
	void (*done)(void *for_whom, int status, struct slice body, uint64_t max_age_s, const char *failure);
	void *for_whom;
	int status; /* 0: no connection */
	char *body;
};

struct fake_issuer {
	struct issuer_answer answers[ISSUER_ANSWERS]; /* on their way */
	unsigned answers_len;
	struct signer *signer;
	unsigned key;
	bool up, hangs, talks_rubbish;
	unsigned asked; /* fetches of any kind */
	struct opaque_token tokens[OPAQUE_TOKENS];
	unsigned tokens_len;
};

/* ---- the data plane ---- */
struct generation { /* a configuration in force, or draining */
	struct bundle *bundle;
	struct config *config;
	struct journey *journey; /* NULL: free */
	struct redis *redis;
	struct issuer_keeper *keeper;
};

struct machine {
	struct buckets *table;
	struct exchanges *exchanges;
	struct logins *logins;
	struct published_issuers *keys;
	struct forward_published *endpoints;
	struct ticket_keys *tickets;
	struct generation generations[GENERATIONS];
	struct generation *now; /* takes new connections */
	char state[96];
};

/* ---- clients ---- */
struct client_tls;
struct said {
	unsigned status;
	char head[BUFFER];
	char body[BUFFER];
	bool ended;
};
struct fake_client {
	char name[32], behind[64]; /* behind: by the PROXY protocol; empty: it comes itself */
	struct sockaddr_storage at;
	int fd;
	unsigned machine;
	char fields[512];
	bool is_tls, is_http2;
	struct client_tls *tls; /* NULL: plain, or not connected */
	char in[BUFFER];        /* what came and was not looked at yet */
	size_t len;
	char method[16]; /* of the last request */
	int32_t stream;  /* the last one, of HTTP/2 */
};

struct scene {
	const char *file;
	unsigned line;
	char directory[64];
	struct loop *loop; /* NULL: nothing has begun */
	struct machine machines[MACHINES];
	unsigned machines_len;
	struct redis_fleet fleet;
	struct redis_names *names;
	struct fake_issuer issuer;
	struct fake_redis redis;
	struct in6_addr barred; /* an address that crashed workers */
	struct fake_upstream upstreams[UPSTREAMS];
	unsigned upstreams_len;
	struct fake_client clients[CLIENTS], *client; /* client: who speaks */
	unsigned clients_len;
	char log[65536];
	size_t log_len;
	uint64_t ends; /* log lines: requests that passed SETTLE */
	struct {
		char text[32768];
		size_t len;
	} config;
	bool in_config, reloads; /* config lines follow; they are to replace the one in force */
	char refusal[256];       /* what the reload is to be refused with; empty: it is to succeed */
};

extern uint64_t scene_now_ns; /* the clock */
uint64_t scene_wall_ns(void);
_Noreturn void scene_fail(const struct scene *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* words.c */
struct slice word(struct slice *rest); /* the next one, or what stands between quotes; empty at the end */
void word_copy(const struct scene *s, struct slice from, char *to, size_t cap);
uint64_t word_number(const struct scene *s, struct slice w);
uint64_t word_duration(const struct scene *s, struct slice w); /* 10s, 5m, 2h, 100ms */
void word_unescape(struct slice from, struct text *to);        /* \r and \n are what they say */

/* config_lines.c */
void config_begin(struct scene *s);
void config_line(struct scene *s, struct slice line);

/* world_lines.c, client_lines.c: false where the first word is none of theirs */
bool world_line(struct scene *s, struct slice first, struct slice rest);
void request_line(struct scene *s, struct slice rest);
bool client_line(struct scene *s, struct slice first, struct slice rest);

/* world.c */
void world_open(struct scene *s); /* unless it is */
void world_close(struct scene *s);
void world_turn(struct scene *s);
void world_settle(struct scene *s);            /* turns until nothing moves */
void world_pass(struct scene *s, uint64_t ns); /* the clock moves in small steps */

/* machine.c */
void machine_open(struct scene *s, struct machine *m, unsigned number);
void machine_load(struct scene *s, struct machine *m, struct config_errors *errors); /* m->now on success */
void machine_reload(struct scene *s, const char *refusal);                           /* of all machines */
void machine_sweep(struct machine *m); /* what is drained is closed */
void machine_close(struct scene *s, struct machine *m);

/* peers.c: nonblocking servers in the scene's own turn */
int peers_listen(const struct scene *s, const char *socket);
void peers_init(struct peer *peers);
void peers_accept(int listening, struct peer *peers);
/* False: nothing new. The other end's close closes ours, and *over says so. */
bool peer_read(struct peer *p, bool *over);
void peer_write(struct peer *p, struct slice bytes);
void peer_eat(struct peer *p, size_t len);
void peer_close(struct peer *p);

/* upstream.c */
struct fake_upstream *upstream_find(struct scene *s, struct slice name);
void upstream_turn(struct fake_upstream *u);
void upstream_down(struct fake_upstream *u);
void upstream_stream(struct scene *s, struct fake_upstream *u, struct slice how, struct slice text);

/* redis.c */
void redis_turn(struct scene *s);
void redis_down(struct scene *s);

/* issuer.c */
void issuer_key(struct scene *s); /* its first key, then the second, then the third ... */
void issuer_fetch(void *with, const struct issuer_request *ask,
                  void (*done)(void *, int, struct slice, uint64_t, const char *), void *for_whom);
void issuer_turn(struct scene *s);
void issuer_token(struct scene *s, struct text *to, struct slice claims);

/* client.c: one request at a time on a kept connection, or one more stream of it */
void client_send(struct scene *s, struct fake_client *c, struct slice method, struct slice target,
                 struct slice fields, struct slice body);
void client_more(struct scene *s, struct fake_client *c, struct slice bytes);
/* Waits for the end of the answer, or (part) takes what there is. status 0: no answer. */
void client_take(struct scene *s, struct fake_client *c, struct said *to, bool part);
bool client_has(struct scene *s, struct fake_client *c, const char *text); /* among what came since */
bool client_is_over(struct scene *s, struct fake_client *c);               /* its connection was closed */
void client_leave(struct fake_client *c);

/* client_tls.c */
void client_tls_open(struct scene *s, struct fake_client *c);
void client_tls_close(struct fake_client *c);
ssize_t client_tls_read(struct fake_client *c, char *to, size_t len); /* as read(2) */
bool client_tls_write(struct fake_client *c, struct slice bytes);

/* client_http2.c */
struct http2_client;
struct http2_client *http2_open(struct fake_client *c);
void http2_close(struct http2_client *h);
void http2_send(struct scene *s, struct fake_client *c, struct slice method, struct slice target,
                struct slice fields, struct slice body);
void http2_take(struct scene *s, struct fake_client *c, struct said *to, bool part);
