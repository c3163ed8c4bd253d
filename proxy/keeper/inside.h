/* inside.h -- the keeper's parts. Private to keeper/. */
#pragma once
#include "admin/admin.h"
#include "fetch/fetch.h"
#include "issuer/issuer.h"
#include "keeper/dial.h"
#include "keeper/keeper.h"
#include "keeper/resolve.h"
#include "statedir/statedir.h"

#define RELOADS_MAX 16 /* operators that may wait for the outcome of a reload */

#define RESETS_KNOWN 128 /* records of resets that were heeded already */

struct reset_known {
	uint64_t tag, ms;
};
struct waiting {
	struct admin_ask *ask;
	uint64_t number;
};

struct keeper {
	struct child_context *post;
	struct generation own; /* with the secrets that other processes do not get */
	unsigned char machine_secret[MACHINE_SECRET];
	const struct config *config;
	struct shared *shared;
	struct loop *loop;
	struct resolver *resolver;
	struct dialler *dialler;
	struct fetcher *fetcher;
	struct issuer_keeper *verify;
	struct forward_keeper *forward;
	struct redis_keeper *redis; /* NULL: none is configured */
	struct list gettings;       /* fleet_values.c: questions to it that are open */
	char member[96];            /* "id name": this Sallyport in its fleet */
	struct keeper_call *calls;  /* questions of verify/ that Redis has not answered yet */
	struct limits *limits;      /* to read and reset keys with */
	struct guard_keeper *guard;
	struct admin *admin;
	struct probes *probes;
	struct event *notified, *rung;
	struct keeper_file *files; /* CA files of the bundle, as descriptors */
	struct waiting waiting[RELOADS_MAX];
	unsigned waiting_len, confirming_len;
	struct confirming *confirming; /* revocations whose workers are being waited for */
	struct resetting *resettings;  /* keys of limits that begin again */
	struct reset_known resets[RESETS_KNOWN];
	unsigned resettings_len, resets_len;
	uint64_t resets_read_ns, resets_due_ns;
	bool resets_reading;
	uint64_t asked_ns, verify_due_ns, forward_due_ns, guard_due_ns, opened_ns, leave_ns, count_ns;
	uint64_t endpoints_moved;
	bool keys_moved, serving, retired, redis_forbids;
};

/* What verify/, forward/ and redis/ are given. */
struct issuer_env keeper_verify_env(struct keeper *k);
struct forward_env keeper_forward_env(struct keeper *k);
bool keeper_open_redis(struct keeper *k);
void keeper_name_member(struct keeper *k); /* first */
/* Values shared by the fleet, as struct issuer_env wants them. close: what was asked ends in nothing. */
bool keeper_fleet_get(void *with, struct slice key, void (*done)(void *for_whom, struct slice value),
                      void *for_whom);
void keeper_fleet_put(void *with, struct slice key, struct slice value, uint64_t ttl_ms);
void keeper_fleet_close(struct keeper *k);
/* For struct issuer_env; and what is still asked when Redis is closed. */
bool keeper_ask_redis(void *with, const struct slice *words, size_t len,
                      void (*done)(void *for_whom, bool answered, const struct slice *texts,
                                   size_t texts_len),
                      void *for_whom);
uint64_t keeper_redis_ms(void *with, struct slice key);
void keeper_forget_calls(struct keeper *k);
/* guard.c: the absence guard, before Redis is closed. tell: for status. */
bool keeper_open_guard(struct keeper *k);
uint64_t keeper_guard_tick(struct keeper *k);
void keeper_hear_absence(struct keeper *k, struct slice what);
void keeper_close_guard(struct keeper *k);
void keeper_tell_guard(struct keeper *k, struct text *t);
/* A path under which libcurl finds a file of the bundle, whoever may read the original; the path itself
 * where the bundle has it not. NULL for NULL. */
const char *keeper_file(struct keeper *k, const char *path);
void keeper_files_close(struct keeper *k);

/* The verbs of the admin socket. */
void keeper_on_ask(void *with, struct admin_ask *ask, struct slice verb);
/* Keys of limits in Redis that begin again; answered when it is done. tick: due again at that time. */
void keeper_reset(struct keeper *k, struct admin_ask *ask, const struct limit_reset *what,
                  struct slice answer);
uint64_t keeper_resets_tick(struct keeper *k);
void keeper_resets_gone(struct keeper *k, const struct admin_ask *ask); /* it is gone */
void keeper_resets_close(struct keeper *k);
/* Those that concern issuers; false: it is none of them. */
/* The answer to a verb that is not obeyed: why, one sentence. */
void keeper_refuse(struct admin_ask *ask, const char *why);
bool keeper_on_limits_ask(struct keeper *k, struct admin_ask *ask, struct slice verb);
bool keeper_on_issuer_ask(struct keeper *k, struct admin_ask *ask, struct slice verb);
bool keeper_on_guard_ask(struct keeper *k, struct admin_ask *ask, struct slice verb);
bool keeper_on_revoke_ask(struct keeper *k, struct admin_ask *ask, struct slice verb);
/* Answers those whose workers have all confirmed, or have had their time; all of them where this ends. */
void keeper_confirm(struct keeper *k, bool ending);
void keeper_unconfirm(struct keeper *k, const struct admin_ask *ask); /* it is gone */
void keeper_answer_status(struct keeper *k, struct admin_ask *ask);
/* Parts of answers: "name":"value"; the outcome of the last reload, false where there was none. */
void keeper_print_text(struct text *t, const char *name, struct slice value);
bool keeper_read_outcome(const struct shared *s, struct outcome *to);
void keeper_print_outcome(struct text *t, const struct outcome *o);
void keeper_on_gone(void *with, struct admin_ask *ask);
/* Answers those whose reload is over; all of them where this keeper ends. */
void keeper_answer_waiting(struct keeper *k, bool ending);
