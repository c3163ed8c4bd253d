/* classify.h -- who does a request seem to be? Two classes: `declared` (honest automation) and `human`.
 *
 * Rules are read at load from lua-free-rules/ (or the files named by rules:). This first language knows
 *     list NAME : words "a", "b", ...              -- case-folded substrings, one automaton for all
 *     rule NAME
 *         when ua in LIST [and not ua in LIST] [and path "/x"] [and verified] ...
 *         class declared
 *     expect "sentence" request ua="curl/8" -> declared
 * The first matching rule decides; none: human. A set with a failing `expect` is refused whole. Errors carry
 * file:line:column. The user-agent scan happens once per connection and user agent; decisions allocate
 * nothing. Classes come from unverified words: they never lower a limit's protection by themselves. */
#pragma once
#include "request/request.h"

struct classify;

/* Files through the bundle; none configured: the built-in pack (compiled in from lua-free-rules/). NULL:
 * complained. */
struct classify *classify_open(const struct config *c, struct bundle *b, struct config_errors *errors);
void classify_close(struct classify *c);

/* Stations. Early: connection facts and the user agent. Late: with r->identity. GO_ON always; sets r->class,
 * r->rule. */
enum pace classify_enter(struct classify *c, struct request *r);
enum pace classify_identified(struct classify *c, struct request *r);
