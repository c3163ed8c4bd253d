/* classify.h -- who does a request seem to be? Two classes: `declared` (honest automation) and `human`.
 *
 * Rules are read at load from the files named by rules:, or where none are from the built-in pack. The
 * language (lua-free-rules/GRAMMAR.md) knows so far
 *     list NAME : words "a", "b", ...              -- case-folded substrings, one automaton for all
 *     rule NAME
 *         when [not] ua in LIST [and [not] ua missing | path "/x" | method "GET" | verified] ...
 *         class declared
 *     expect "sentence" request ua="curl/8" [path= method= verified] -> declared [by RULE]
 * The first matching rule decides; none: human. A set with a failing `expect` is refused whole. Errors carry
 * file:line:column. A user agent is scanned once and remembered with its lists; decisions allocate nothing.
 * Classes come from unverified words: they never lower a limit's protection by themselves. */
#pragma once
#include "request/request.h"

struct classify;

/* Files through the bundle; none configured: the built-in pack (compiled in from lua-free-rules/). NULL:
 * complained. Keeps nothing of the configuration or the bundle. */
struct classify *classify_open(const struct config *c, struct bundle *b, struct config_errors *errors);
void classify_close(struct classify *c);

/* Stations. Early: connection facts and the user agent. Late: with r->identity. GO_ON always; sets r->class,
 * r->rule, which lives as long as c. */
enum step_result classify_enter(struct classify *c, struct request *r);
enum step_result classify_identified(struct classify *c, struct request *r);
