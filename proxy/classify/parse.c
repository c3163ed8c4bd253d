/* The grammar, a function per line of it:
 *     file   = { list | rule | expect }
 *     list   = "list" NAME ":" "words" STRING { "," STRING }
 *     rule   = "rule" NAME "when" term { "and" term } "class" CLASS
 *     term   = ["not"] ( "ua" "in" LIST | "ua" "missing" | "path" STRING | "method" STRING | "verified" )
 *     expect = "expect" STRING "request" { "ua=" STRING | "path=" STRING | "method=" STRING | "verified" }
 *              "->" CLASS [ "by" ( RULE | "none" ) ]
 * After a mistake it goes on at the next line that begins with list, rule or expect. */
#include "base/way.h"
#include "classify/inside.h"
#include "classify/lex.h"

struct parser {
	struct classify *c;
	struct config_errors *errors;
	struct lexer lexer;
	struct token now;
};

#define COMPLAIN(p, place, ...) (config_complain((p)->errors, place, __VA_ARGS__), false)

static void step(struct parser *p)
{
	p->now = lexer_next(&p->lexer);
}

static bool is_word(const struct parser *p, const char *word)
{
	return p->now.kind == TOKEN_WORD && slice_same(p->now.text, slice_of(word));
}

static bool unexpected(struct parser *p, const char *wanted)
{
	if (p->now.kind == TOKEN_BAD)
		return COMPLAIN(p, p->now.place, "%.*s", SLICE(p->now.text));
	if (p->now.kind == TOKEN_END)
		return COMPLAIN(p, p->now.place, "the file ends where %s should stand", wanted);
	return COMPLAIN(p, p->now.place, "%s should stand here, not \"%.*s\"", wanted,
	                SLICE(slice_head(p->now.text, 64)));
}

static bool take_word(struct parser *p, const char *word)
{
	if (!is_word(p, word))
		return unexpected(p, word);
	step(p);
	return true;
}

static bool take_sign(struct parser *p, const char *sign)
{
	if (p->now.kind != TOKEN_SIGN || !slice_same(p->now.text, slice_of(sign)))
		return unexpected(p, sign);
	step(p);
	return true;
}

/* Room in the pool: it is as large as all files together, and nothing in it is longer than its source. */
static struct slice keep(struct parser *p, struct slice from, bool fold)
{
	char *to = p->c->pool + p->c->pool_len;
	size_t len = 0;

	for (size_t i = 0; i < from.len; i++) {
		if (from.at[i] == '\\' && i + 1 < from.len)
			i++;
		to[len++] = fold ? slice_lower(from.at[i]) : from.at[i];
	}
	p->c->pool_len += len;
	return (struct slice){ to, len };
}

static bool take_string(struct parser *p, struct slice *to, bool fold)
{
	if (p->now.kind != TOKEN_STRING)
		return unexpected(p, "a string in double quotes");
	for (size_t i = 0; i < p->now.text.len; i++)
		if ((unsigned char)p->now.text.at[i] < ' ' || p->now.text.at[i] == 0x7f)
			return COMPLAIN(p, p->now.place, "the string holds a control character");
	*to = keep(p, p->now.text, fold);
	step(p);
	return true;
}

static bool take_name(struct parser *p, struct slice *to, const char *what)
{
	if (p->now.kind != TOKEN_WORD || p->now.text.len > WORD_MAX)
		return unexpected(p, what);
	*to = keep(p, p->now.text, false);
	step(p);
	return true;
}

static bool take_class(struct parser *p, enum class_of *to)
{
	for (unsigned i = 0; i < CLASSES; i++)
		if (p->now.kind == TOKEN_WORD && slice_same(p->now.text, class_names[i])) {
			*to = (enum class_of)i;
			step(p);
			return true;
		}
	return unexpected(p, "a class (human or declared)");
}

static bool find_list(const struct classify *c, struct slice name, unsigned *to)
{
	for (size_t i = 0; i < c->lists_len; i++)
		if (slice_same(c->lists[i], name)) {
			*to = (unsigned)i;
			return true;
		}
	return false;
}

static bool parse_words(struct parser *p, unsigned list)
{
	struct classify *c = p->c;
	bool more;

	do {
		struct config_place place = p->now.place;
		struct slice text;
		if (!take_string(p, &text, true))
			return false;
		if (text.len < 2 || text.len > WORD_MAX)
			return COMPLAIN(p, place, "a word of a list has 2 to %d characters", WORD_MAX);
		if (c->words_len == WORDS_MAX)
			return COMPLAIN(p, place, "the lists hold more than %d words together", WORDS_MAX);
		c->words[c->words_len++] = (struct word){ text, list };
		more = p->now.kind == TOKEN_SIGN && p->now.text.at[0] == ',';
		if (more)
			step(p);
	} while (more);
	return true;
}

static bool parse_list(struct parser *p)
{
	struct config_place place = p->now.place;
	struct slice name = S("");
	unsigned list;

	if (!take_name(p, &name, "a name for the list"))
		return false;
	if (find_list(p->c, name, &list))
		return COMPLAIN(p, place, "there is a list \"%.*s\" already", SLICE(name));
	if (p->c->lists_len == LISTS_MAX)
		return COMPLAIN(p, place, "there are more than %d lists", LISTS_MAX);
	list = (unsigned)p->c->lists_len++;
	p->c->lists[list] = name; /* known even where its words are wrong: one complaint is enough */
	return take_sign(p, ":") && take_word(p, "words") && parse_words(p, list);
}

static bool parse_ua(struct parser *p, struct term *t)
{
	struct config_place place;
	struct slice name = S("");

	t->kind = TERM_UA_MISSING;
	if (is_word(p, "missing")) {
		step(p);
		return true;
	}
	t->kind = TERM_UA_IN;
	if (!is_word(p, "in"))
		return unexpected(p, "\"in\" or \"missing\"");
	step(p);
	place = p->now.place;
	if (!take_name(p, &name, "a list"))
		return false;
	return find_list(p->c, name, &t->list) ||
	       COMPLAIN(p, place, "there is no list \"%.*s\" above this line", SLICE(name));
}

static bool parse_path(struct parser *p, struct term *t)
{
	struct config_place place = p->now.place;

	t->kind = TERM_PATH;
	if (!take_string(p, &t->text, false))
		return false;
	if (!slice_starts(t->text, S("/")))
		return COMPLAIN(p, place, "a path begins with a slash");
	t->prefix = slice_ends(t->text, S("*"));
	t->text.len -= t->prefix;
	if (slice_find(t->text, '*') < t->text.len)
		return COMPLAIN(p, place, "a path has one star at most, at its end");
	if (!way_is(t->text, false, t->text, false))
		return COMPLAIN(p, place,
		                "a path is written as routes see it: without parameters (;) and without "
		                "escapes that need not be, \"//\" as one slash; it would match none");
	return true;
}

static bool parse_term(struct parser *p)
{
	struct term t = { 0 };

	if (is_word(p, "not")) {
		t.negated = true;
		step(p);
	}
	struct token what = p->now;
	bool good = true;
	if (is_word(p, "ua"))
		good = (step(p), parse_ua(p, &t));
	else if (is_word(p, "path"))
		good = (step(p), parse_path(p, &t));
	else if (is_word(p, "method"))
		good = (step(p), t.kind = TERM_METHOD, take_string(p, &t.text, false));
	else if (is_word(p, "verified"))
		step(p), t.kind = TERM_VERIFIED, p->c->by_identity = true;
	else
		return unexpected(p, "ua, path, method or verified");
	if (!good)
		return false;
	if (p->c->terms_len == TERMS_MAX)
		return COMPLAIN(p, what.place, "the rules have more than %d conditions together", TERMS_MAX);
	p->c->terms[p->c->terms_len++] = t;
	return true;
}

static bool parse_when(struct parser *p, struct rule *rule)
{
	rule->first = p->c->terms_len;
	if (!take_word(p, "when") || !parse_term(p))
		return false;
	while (is_word(p, "and")) {
		step(p);
		if (!parse_term(p))
			return false;
	}
	rule->terms = p->c->terms_len - rule->first;
	return true;
}

static bool parse_rule(struct parser *p)
{
	struct config_place place = p->now.place;
	struct classify *c = p->c;
	struct rule rule = { 0 };

	if (!take_name(p, &rule.name, "a name for the rule"))
		return false;
	if (slice_same(rule.name, S("none")))
		return COMPLAIN(p, place, "\"none\" is no name for a rule: expect blocks use it");
	for (size_t i = 0; i < c->rules_len; i++)
		if (slice_same(c->rules[i].name, rule.name))
			return COMPLAIN(p, place, "there is a rule \"%.*s\" already", SLICE(rule.name));
	if (c->rules_len == RULES_MAX)
		return COMPLAIN(p, place, "there are more than %d rules", RULES_MAX);
	if (!parse_when(p, &rule) || !take_word(p, "class") || !take_class(p, &rule.class))
		return false;
	c->rules[c->rules_len++] = rule;
	return true;
}

static bool parse_request(struct parser *p, struct facts *f)
{
	*f = (struct facts){ .path = S("/"), .method = S("GET") };
	while (p->now.kind == TOKEN_WORD) {
		struct slice *to = is_word(p, "ua")       ? &f->ua
		                   : is_word(p, "path")   ? &f->path
		                   : is_word(p, "method") ? &f->method
		                                          : NULL;
		if (!to && !is_word(p, "verified"))
			break;
		f->verified |= !to;
		step(p);
		if (to && (!take_sign(p, "=") || !take_string(p, to, false)))
			return false;
	}
	return true;
}

static bool parse_expect(struct parser *p)
{
	struct expect e = { .place = p->now.place };

	if (p->c->expects_len == EXPECTS_MAX)
		return COMPLAIN(p, e.place, "there are more than %d expectations", EXPECTS_MAX);
	if (!take_string(p, &e.sentence, false) || !take_word(p, "request") || !parse_request(p, &e.facts))
		return false;
	if (p->now.kind != TOKEN_ARROW)
		return unexpected(p, "ua=, path=, method=, verified or ->");
	step(p);
	if (!take_class(p, &e.class))
		return false;
	if (is_word(p, "by")) {
		step(p);
		if (!take_name(p, &e.by, "a rule's name, or none"))
			return false;
		if (slice_same(e.by, S("none")))
			e.by.len = 0;
	}
	p->c->expects[p->c->expects_len++] = e;
	return true;
}

static bool parse_block(struct parser *p)
{
	if (is_word(p, "list"))
		return step(p), parse_list(p);
	if (is_word(p, "rule"))
		return step(p), parse_rule(p);
	if (is_word(p, "expect"))
		return step(p), parse_expect(p);
	return unexpected(p, "list, rule or expect");
}

static bool at_block(const struct parser *p)
{
	return p->now.first && (is_word(p, "list") || is_word(p, "rule") || is_word(p, "expect"));
}

void rules_parse(struct classify *c, const char *file, struct slice text, struct config_errors *errors)
{
	struct parser p = { .c = c, .errors = errors, .lexer = lexer_open(file, text) };

	step(&p);
	while (p.now.kind != TOKEN_END) {
		if (parse_block(&p))
			continue;
		while (p.now.kind != TOKEN_END && !at_block(&p))
			step(&p);
	}
}
