/* forward.h -- the way on: endpoints, pools, health, balance, retry, and the pumping of bodies both ways.
 *
 * A worker keeps its own pools. Health and resolved addresses come from the keeper, in memory that workers
 * map read-only; passive ejection is the worker's own knowledge. Balance: power of two choices on in-flight
 * and latency. FORWARD sends the head (and what of the body is at hand) and waits for the response head;
 * RESPOND pumps. */
#pragma once
#include "base/text.h"
#include "forward/health.h"
#include "forward/tunnels.h"
#include "http/http.h"
#include "tls/tls.h"

/* ---- the worker's side ---- */
struct forward_news { /* to the keeper; the functions may be NULL */
	/* An endpoint was ejected since it refused: it is to be tried in the background. */
	void (*refused)(void *with, struct slice upstream, struct slice endpoint);
	void *with;
};
struct forward;
struct forward *forward_open(const struct config *c, struct bundle *b, struct loop *loop,
                             const struct forward_published *p, struct forward_news news,
                             struct config_errors *errors);
void forward_close(struct forward *f);
/* FORWARD: WAIT until the response head is there; GO_ON then; ANSWER with an UPSTREAM_* fault. */
enum step_result forward_enter(struct forward *f, struct request *r);
void forward_leave(struct forward *f, struct request *r);
/* When the driver's patience with FORWARD or RESPOND ends (ns, monotonic), and with which fault. */
uint64_t forward_deadline(struct forward *f, const struct request *r, enum fault *why);
/* The response head, after GO_ON; fields may be dropped or added by respond/. */
struct answer_head *forward_head(struct request *r);
/* Before any of it is passed on: as much of the answer's body as there is, up to `most` bytes (BLOCK_SIZE at
 * most), which are passed on first by forward_pump. WAIT; GO_ON, *whole: that is all of it; ANSWER. */
enum step_result forward_hold(struct forward *f, struct request *r, size_t most, struct slice *body,
                              bool *whole);
/* RESPOND: moves both bodies; WAIT, GO_ON when both have ended, HANG_UP where the answer ended in the middle.
 */
enum step_result forward_pump(struct forward *f, struct request *r);
/* Undo of everything: connection kept or closed, gauges lowered. Called once, at SETTLE. */
void forward_settle(struct forward *f, struct request *r);
/* The driver's patience with FORWARD is out: true where another endpoint is tried instead (walk it again). */
bool forward_try_another(struct forward *f, struct request *r);
/* Once a second: ages pools, ejections and latency, metrics. */
void forward_tick(struct forward *f);
