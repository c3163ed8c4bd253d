/* lex.h -- words of the rule language. Private to classify/. */
#pragma once
#include "config/config.h"

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_STRING, TOKEN_SIGN, TOKEN_ARROW, TOKEN_BAD };

struct token {
	enum token_kind kind;
	struct slice text; /* of TOKEN_STRING: between the quotes, escapes not yet resolved; of BAD: why */
	struct config_place place;
	bool first; /* of its line */
};

struct lexer {
	struct slice rest;
	struct config_place place; /* of the next byte */
	bool line_began;
};

struct lexer lexer_open(const char *file, struct slice text);
struct token lexer_next(struct lexer *l);
