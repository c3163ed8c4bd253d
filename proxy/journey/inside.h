/* inside.h -- what the files of journey/ share. Private. */
#pragma once
#include "classify/classify.h"
#include "journey/journey.h"
#include "journey/shares.h"
#include "respond/respond.h"

struct route_facts {
	const struct config_route *route;
	uint32_t seconds;              /* series: duration */
	uint32_t counts[CLASSES][600]; /* series by class and status; METRICS_LOST - 1: not registered yet */
};

struct routes; /* routes.c: the table in order of precedence */
struct routes *routes_open(const struct config *c);
void routes_close(struct routes *t);
/* The route that speaks for it; NULL with *why NO_ROUTE or METHOD_DENIED (then *denied is the one whose
 * methods did). */
struct route_facts *routes_find(struct routes *t, const struct request *r, enum fault *why,
                                struct route_facts **denied);
/* The check route whose path the target as received leads to or passes, for every host and method; NULL where
 * there is none. *rest: what follows its prefix, from the slash on, with the query; empty where nothing does.
 * scratch: room for the target. */
struct route_facts *routes_door(const struct routes *t, struct slice target, char *scratch,
                                struct slice *rest);
bool routes_know_host(const struct routes *t, struct slice host);

struct client_connection {            /* a connection from accept to close */
	struct client_facts client_facts; /* first */
	struct journey *journey;
	size_t listener;
	struct wire *wire; /* NULL once http/ has it */
	struct deadline deadline;
	struct list link, handshake_link;
	struct list waiting_link;       /* in its client's waiting; in none while it works */
	struct http_connection *served; /* NULL before http/ has it */
	uint32_t busy;                  /* requests in hand */
	uint8_t state;
	bool proven;      /* a request of it was verified */
	size_t discarded; /* bytes that came after our last word */
	/* what client_facts's slices show; NULL where there is none */
	char *server_name, *certificate, *thumbprint;
};

struct journey {
	struct journey_env env;
	struct http_server http;
	struct classify *classify;
	struct limit_remote remote;   /* Redis for limit/ */
	struct shared_claims *claims; /* NULL: exchanges are this machine's alone */
	struct limits *limits;
	struct verify *verify;
	struct guard *guard; /* NULL: nothing is guarded */
	struct forward *forward;
	struct routes *routes;
	struct tls_server **tls; /* by listener; NULL where plain */
	uint32_t *accepted;      /* series by listener */
	struct shares shares;
	struct list since;      /* requests in hand that the operator was not told of, oldest first */
	struct list woken;      /* requests to be walked in this turn */
	struct deadline owing;  /* limit/ wants a turn */
	struct list arriving;   /* connections before their first request */
	struct list handshakes; /* connections whose next handshake step is due */
	size_t connections, in_flight, crowd; /* crowd: most pieces held since memory was last given back */
	size_t shaking;                       /* handshakes that have begun and not ended */
	size_t connections_max;               /* of http.connections_max and what descriptors there are */
	uint64_t ticked_ns, revocations_moved;
	struct in6_addr touched; /* whose bytes are being worked on, where is_touched */
	bool draining, is_touched;
};

/* journey.c */
void journey_on_request(void *with, struct request *r);
void journey_on_wake(struct request *r);
void journey_walk(struct request *r);
void journey_cut(struct request *r, enum fault why);
bool journey_cut_if_gone(struct request *r); /* has the client left before SETTLE? */
/* arrival.c */
void arrival_turn(struct journey *j); /* some steps of waiting handshakes */
void arrival_kill(struct journey *j);
void arrival_refused(const char *why);          /* counts it */
void arrival_ends(struct client_connection *g); /* one that http/ does not have */
void arrival_on_closed(void *with, struct client_facts *v);
/* Whose bytes are being worked on, so that a crash can name its suspect: one address at a time, never those
 * in waiting. */
void arrival_on_touch(void *with, const struct client_facts *v);
void arrival_let_go(struct journey *j);
/* giving_way.c: connections by client */
/* The address's client; NULL: it is a trusted proxy's, whose requests name theirs. */
struct sharer *share_of(struct journey *j, const struct in6_addr *address);
/* May it have one more, while `used` of the total are in use? h may be NULL. If not, the operator hears. */
bool share_admits(struct journey *j, const struct sharer *h, enum held_kind what, size_t used);
/* All places are taken: whoever holds most gives a connection way, and no less than the newcomer would hold,
 * who is counted already (NULL: unknown yet). False: nobody can. */
bool share_makes_room(struct journey *j, const struct sharer *newcomer);
void share_waits(struct client_connection *g, enum waits_as as); /* it may give way from now on */
void share_works(struct client_connection *g);                   /* one more request is in its hands, */
void share_rests(struct client_connection *g);                   /* one less */
/* held.c: requests in flight by client; the first three are for http/ */
bool held_on_take(void *with, struct request *r, size_t used, size_t most);
void held_on_give(void *with, struct request *r);
void held_on_tunnel(void *with, struct request *r);
bool held_admits(struct request *r); /* at ROUTE, where its client is known at last */
bool held_may_tunnel(const struct request *r);
void held_tick(struct journey *j); /* tells the operator of requests that last */
/* decision.c: requests that another proxy holds and asks about */
enum ext_auth_kind decision_ext_auth(const struct journey *j, struct slice target);
uint8_t decision_on_unborn(void *with, struct slice target); /* the same, for http/ */
/* The check route that the request asks by, whatever its Host; r->ext_auth is set. NULL: it is no question.
 * */
struct route_facts *decision_door(struct request *r, struct slice *rest);
/* The route of the request that is described; NULL with *why where nobody may be told, or nobody judges. */
struct route_facts *decision_judge(struct request *r, struct slice rest, enum fault *why,
                                   struct route_facts **denied);
/* The route of a request that is no question. */
struct route_facts *decision_route(struct request *r, enum fault *why, struct route_facts **denied);
enum step_result decision_allow(struct request *r);
/* Adds a field to r->answer; false where the arena is full. */
bool answer_add(struct request *r, struct slice name, struct slice value);
/* remote.c: Redis as limit/ wants to have it; NULL where there is none. */
const struct limit_remote *remote_open(struct journey *j);
/* claims.c: codes and refresh tokens that one proxy of the fleet has. NULL where there is no Redis, or no
 * secret of the fleet. */
struct shared_claims *claims_open(struct journey *j);
void claims_close(struct shared_claims *all);
/* Once the machine's own claim is r's: GO_ON, WAIT for Redis, or ANSWER with EXCHANGE_BUSY or _USED. */
enum step_result claims_enter(struct shared_claims *all, struct request *r);
uint64_t claims_wait_ns(const struct request *r); /* ns; 0: it does not wait for Redis */
void claims_stop_waiting(struct request *r);      /* entered again it goes on without Redis */
void claims_leave(struct request *r);
void claims_settle(struct request *r); /* the end of a request with a claim, by r->status */
void claims_turn(struct shared_claims *all);
/* stations.c: those that are the journey's own */
bool is_preflight(const struct request *r, const struct config_cors *cors); /* cors may be NULL */
enum step_result at_route(struct request *r);
enum step_result at_settle(struct request *r);
/* rooms.c: the others', by the columns of journey.c's table */
enum step_result at_classify(struct request *r), at_limit(struct request *r), at_verify(struct request *r);
enum step_result at_identify(struct request *r), at_login(struct request *r), at_screen(struct request *r);
enum step_result at_limit_late(struct request *r), at_forward(struct request *r);
enum step_result at_guard(struct request *r), at_respond(struct request *r);
void leave_limit(struct request *r), leave_verify(struct request *r), leave_screen(struct request *r);
void leave_forward(struct request *r), leave_respond(struct request *r);
uint64_t wait_limit(const struct request *r), wait_verify(const struct request *r);
uint64_t wait_screen(const struct request *r);
uint64_t due_body(const struct request *r, enum fault *why);
uint64_t due_answer(const struct request *r, enum fault *why);
uint64_t due_guard(const struct request *r, enum fault *why);
bool late_limit(struct request *r, enum fault why), late_verify(struct request *r, enum fault why);
bool late_screen(struct request *r, enum fault why), late_forward(struct request *r, enum fault why);
