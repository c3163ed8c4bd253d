/* opaque.h -- what issuers said of tokens that only they can read, in published memory. Part of published's
 * door.
 *
 * The keeper writes, workers read. There is a table of answers (the token is good, and these are its claims)
 * and another of refusals and failures, so that garbage cannot drive out the good; both are sets of 8 in
 * which the oldest goes. A record has two copies and a version stored last, as in published.h. It is found by
 * an id, SHA-256 of whom we ask, how, and the token's own SHA-256: the token lies nowhere. */
#pragma once
#include "base/flip.h"
#include "config/config.h"
#include "crypto/crypto.h"
#include <stdatomic.h>

#define OPAQUE_WAYS 8
#define OPAQUE_ANSWERS 4096
#define OPAQUE_WORDS 4096
#define OPAQUE_TEXT_MAX 1976  /* bytes of claims, as JSON */
#define OPAQUE_TOKEN_MAX 4096 /* bytes; longer ones are malformed */
#define OPAQUE_REFUSED_NS (10 * NS_PER_S)

struct opaque_head {
	unsigned char id[SHA256_LEN];
	uint64_t generation; /* moves only when the answer changes; never used twice on this machine */
	uint64_t asked_ns;   /* monotonic, when the question was begun */
	uint64_t len;        /* bytes of text; 0: taken back */
};

struct opaque_answer {
	_Alignas(64) _Atomic uint64_t version; /* copy[version & 1] counts; 0: never used */
	struct {
		struct opaque_head head;
		char text[OPAQUE_TEXT_MAX];
	} copy[2];
};

enum opaque_word {
	OPAQUE_NOTHING,
	OPAQUE_REFUSED,  /* it is not valid */
	OPAQUE_UNUSABLE, /* it may be valid, but what was said of it cannot be used */
	OPAQUE_FAILED,   /* it could not be asked about */
};
#define OPAQUE_WHY_MAX 80 /* bytes, with the NUL */

struct opaque_note {
	_Atomic uint64_t version;
	struct {
		unsigned char id[SHA256_LEN];
		uint64_t until_ns, word;
		char why[OPAQUE_WHY_MAX];
	} copy[2];
};

struct opaque_table {
	_Atomic uint64_t moved;   /* with every change: who waits looks again */
	_Atomic uint64_t keepers; /* that have begun: what was asked of the one before is asked again */
	struct opaque_answer answer[OPAQUE_ANSWERS];
	struct opaque_note note[OPAQUE_WORDS];
};

struct opaque_seen { /* an answer as it was when it was found */
	const struct opaque_answer *at;
	uint64_t version;
	struct opaque_head head;
};

/* Whom we ask and how, and which claims are kept of its answers: the same for as long as an answer means the
 * same, on every machine. */
bool opaque_who(const struct config *c, const struct config_issuer *issuer, unsigned char who[SHA256_LEN])
    __attribute__((warn_unused_result));
bool opaque_id(struct crypt *c, const unsigned char who[SHA256_LEN], const unsigned char token[SHA256_LEN],
               unsigned char id[SHA256_LEN]) __attribute__((warn_unused_result));

bool opaque_find(const struct opaque_table *t, const unsigned char id[SHA256_LEN], struct opaque_seen *to)
    __attribute__((warn_unused_result));
/* Its text, head.len bytes. False: it has been replaced meanwhile. */
bool opaque_text(const struct opaque_seen *seen, char to[OPAQUE_TEXT_MAX])
    __attribute__((warn_unused_result));
/* What was said of it lately that is no answer; why, which may be NULL: of UNUSABLE. */
enum opaque_word opaque_heard_why(const struct opaque_table *t, const unsigned char id[SHA256_LEN],
                                  uint64_t now_ns, char why[OPAQUE_WHY_MAX]);
static inline enum opaque_word opaque_heard(const struct opaque_table *t, const unsigned char id[SHA256_LEN],
                                            uint64_t now_ns)
{
	return opaque_heard_why(t, id, now_ns, NULL);
}

/* The keeper's. An unchanged answer keeps its generation. NOTHING takes back a word. */
void opaque_put(struct opaque_table *t, const struct opaque_head *head, struct slice text);
void opaque_take_back(struct opaque_table *t, const unsigned char id[SHA256_LEN]);
void opaque_publish(struct opaque_table *t, const unsigned char id[SHA256_LEN], enum opaque_word word,
                    uint64_t until_ns);
/* OPAQUE_UNUSABLE, and what is wrong: a sentence part, cut where it is too long. */
void opaque_publish_why(struct opaque_table *t, const unsigned char id[SHA256_LEN], const char *why,
                        uint64_t until_ns);
