/* inside.h -- rules as they were understood at load. Private to classify/. */
#pragma once
#include "classify/automaton.h"
#include "classify/classify.h"

/* The budget of a set of rules: what one may cost at load and in each decision. */
#define LISTS_MAX 64
#define WORDS_MAX 4096
#define WORD_MAX 64 /* bytes */
#define RULES_MAX 256
#define TERMS_MAX 2048 /* of all rules together */
#define EXPECTS_MAX 2048
#define FILE_MAX (256 * 1024)
#define SCAN_MAX 512 /* bytes of a user agent that are looked at */

enum term_kind { TERM_UA_IN, TERM_UA_MISSING, TERM_PATH, TERM_METHOD, TERM_VERIFIED };

struct term {
	enum term_kind kind;
	bool negated, prefix; /* prefix: of TERM_PATH, text is what stands before the star */
	unsigned list;
	struct slice text;
};

struct rule {
	struct slice name;
	size_t first, terms; /* all of terms[first..] must hold */
	enum class_of class;
};

struct facts { /* what a decision is made from */
	struct slice ua, path, method;
	bool verified;
};

struct expect {
	struct config_place place;
	struct slice sentence, by; /* by.at NULL: whatever rule; empty: none */
	struct facts facts;
	enum class_of class;
};

/* A user agent that was scanned before: compared whole, so that two never share an entry. */
#define MEMO_SIZE 64
#define MEMO_UA 232
struct memo {
	uint64_t lists;
	uint32_t len; /* 0: free */
	char ua[MEMO_UA];
};

struct classify {
	struct automaton automaton;
	struct slice lists[LISTS_MAX]; /* names */
	struct word words[WORDS_MAX];
	struct rule rules[RULES_MAX];
	struct term terms[TERMS_MAX];
	struct expect *expects; /* EXPECTS_MAX; only while loading */
	size_t lists_len, words_len, rules_len, terms_len, expects_len;
	bool by_identity; /* a rule asks for `verified` */
	char *pool;       /* names and words, unescaped */
	size_t pool_len, pool_cap;
	struct memo memo[MEMO_SIZE];
};

/* One file of rules: adds to c what is good, complains of what is not. `file` must outlive the load. */
void rules_parse(struct classify *c, const char *file, struct slice text, struct config_errors *errors);

/* The first rule that matches; NULL: none. */
const struct rule *rules_decide(const struct classify *c, const struct facts *f, uint64_t lists);

/* Bytes of lua-free-rules/declared.rules. */
struct slice rules_builtin(void);

/* The whole of opening, for a set of texts (fuzzing and tests too). NULL: complained. */
struct rules_file {
	const char *name;
	struct slice text;
};
struct classify *classify_load(const struct rules_file *files, size_t len, struct config_errors *errors);
