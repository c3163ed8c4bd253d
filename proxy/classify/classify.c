/* Decides which class a request belongs to, by the rules. */
#include "base/check.h"
#include "classify/inside.h"
#include <stdlib.h>

static bool holds(const struct term *t, const struct facts *f, uint64_t lists)
{
	switch (t->kind) {
	case TERM_UA_IN:
		return lists >> t->list & 1;
	case TERM_UA_MISSING:
		return f->ua.len == 0;
	case TERM_PATH:
		return t->prefix ? slice_starts(f->path, t->text) : slice_same(f->path, t->text);
	case TERM_METHOD:
		return slice_same(f->method, t->text);
	case TERM_VERIFIED:
		return f->verified;
	}
	return false;
}

static bool matches(const struct classify *c, const struct rule *rule, const struct facts *f, uint64_t lists)
{
	for (size_t i = 0; i < rule->terms; i++) {
		const struct term *t = &c->terms[rule->first + i];
		if (holds(t, f, lists) == t->negated)
			return false;
	}
	return true;
}

const struct rule *rules_decide(const struct classify *c, const struct facts *f, uint64_t lists)
{
	for (size_t i = 0; i < c->rules_len; i++)
		if (matches(c, &c->rules[i], f, lists))
			return &c->rules[i];
	return NULL;
}

static uint64_t scan(const struct classify *c, struct slice ua)
{
	return automaton_scan(&c->automaton, slice_head(ua, SCAN_MAX));
}

/* Where a user agent is remembered: any mixture will do, since the whole is compared. */
static size_t memo_slot(struct slice ua)
{
	uint64_t head = 0, tail = 0;
	size_t part = ua.len < 8 ? ua.len : 8;

	memcpy(&head, ua.at, part);
	memcpy(&tail, ua.at + ua.len - part, part);
	return (head * 3 ^ tail ^ ua.len) * UINT64_C(0x9e3779b97f4a7c15) >> 58;
}

static uint64_t lists_of(struct classify *c, struct slice ua)
{
	_Static_assert(MEMO_SIZE == 64, "memo_slot yields 6 bits");
	struct memo *m;

	if (ua.len == 0)
		return 0;
	if (ua.len > MEMO_UA)
		return scan(c, ua);
	m = &c->memo[memo_slot(ua)];
	if (m->len != ua.len || memcmp(m->ua, ua.at, ua.len) != 0) {
		m->lists = scan(c, ua);
		m->len = (uint32_t)ua.len;
		memcpy(m->ua, ua.at, ua.len);
	}
	return m->lists;
}

static void decide(struct classify *c, struct request *r)
{
	const struct header *ua = headers_find(&r->headers, HEADER_USER_AGENT);
	struct facts f = { .path = r->way.len ? r->way : r->path, .method = r->method };
	const struct rule *rule;

	if (ua)
		f.ua = ua->value;
	f.verified = r->identity.verdict == VERDICT_VALID;
	rule = rules_decide(c, &f, lists_of(c, f.ua));
	r->class = rule ? rule->class : CLASS_HUMAN;
	r->rule = rule ? rule->name : (struct slice){ 0 };
}

enum step_result classify_enter(struct classify *c, struct request *r)
{
	decide(c, r);
	return GO_ON;
}

enum step_result classify_identified(struct classify *c, struct request *r)
{
	if (c->by_identity)
		decide(c, r);
	return GO_ON;
}

/* ---- loading ---- */

static void judge(const struct classify *c, const struct expect *e, struct config_errors *errors)
{
	const struct rule *rule = rules_decide(c, &e->facts, scan(c, e->facts.ua));
	enum class_of class = rule ? rule->class : CLASS_HUMAN;
	struct slice by = rule ? rule->name : S("none");
	bool same_rule = !e->by.at || slice_same(e->by, rule ? rule->name : (struct slice){ 0 });

	if (class != e->class)
		config_complain(errors, e->place, "expected %.*s, and the rules say %.*s (rule: %.*s): %.*s",
		                SLICE(class_names[e->class]), SLICE(class_names[class]), SLICE(by),
		                SLICE(e->sentence));
	else if (!same_rule)
		config_complain(errors, e->place, "expected rule %.*s to decide, and %.*s did: %.*s",
		                SLICE(e->by.len ? e->by : S("none")), SLICE(by), SLICE(e->sentence));
}

struct classify *classify_load(const struct rules_file *files, size_t len, struct config_errors *errors)
{
	struct classify *c = calloc(1, sizeof *c);
	unsigned before = errors->count;
	size_t bytes = 1;

	for (size_t i = 0; i < len; i++)
		bytes += files[i].text.len;
	check(c && (c->pool = malloc(bytes)) && (c->expects = calloc(EXPECTS_MAX, sizeof *c->expects)));
	c->pool_cap = bytes;
	for (size_t i = 0; i < len; i++)
		if (files[i].text.len <= FILE_MAX)
			rules_parse(c, files[i].name, files[i].text, errors);
		else
			config_complain(errors, (struct config_place){ files[i].name, 1, 1 },
			                "a file of rules is at most %d bytes long", FILE_MAX);
	check(c->pool_len < c->pool_cap);
	if (!automaton_build(&c->automaton, c->words, c->words_len))
		config_complain(errors, (struct config_place){ files[0].name, 1, 1 },
		                "the words of all lists are too long together: they need more than %d states",
		                STATES_MAX);
	else if (errors->count == before)
		for (size_t i = 0; i < c->expects_len; i++)
			judge(c, &c->expects[i], errors);
	free(c->expects);
	c->expects = NULL;
	if (errors->count == before)
		return c;
	classify_close(c);
	return NULL;
}

struct classify *classify_open(const struct config *config, struct bundle *b, struct config_errors *errors)
{
	const CONFIG_FILES *named = &config->root.rules;
	struct rules_file builtin = { "the built-in rules", rules_builtin() };
	struct rules_file *files = calloc(named->len ? named->len : 1, sizeof *files);
	struct classify *c = NULL;
	size_t read = 0;

	if (named->len == 0)
		c = classify_load(&builtin, 1, errors);
	check(files);
	for (const char *why = NULL; read < named->len; read++) {
		files[read].name = named->at[read].at; /* NUL-terminated, as every text of a configuration */
		if (bundle_file(b, files[read].name, &files[read].text, &why))
			continue;
		config_complain(errors, config->root.place, "rules: %s cannot be read: %s", files[read].name, why);
		break;
	}
	if (named->len && read == named->len)
		c = classify_load(files, named->len, errors);
	free(files);
	return c;
}

void classify_close(struct classify *c)
{
	if (!c)
		return;
	automaton_free(&c->automaton);
	free(c->pool);
	free(c);
}
