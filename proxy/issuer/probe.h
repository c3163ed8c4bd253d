/* probe.h -- can an issuer be reached at this moment? Private to issuer/, the keeper's side.
 *
 * Keys are asked for every few minutes, which is too seldom for people who stand before a login that cannot
 * succeed. Where a route says needs_issuer, its issuer's discovery document is asked for every `probe`
 * interval as well, within the outbound budget. Any answer but a 5xx counts: what it says does not matter.
 * Two silences in a row mean away, one answer means here. */
#pragma once
#include "issuer/outbound.h"

struct source;

struct issuer_probe {
	bool needed; /* a route names it */
	struct issuer_fetch probe;
	char url[512];
	uint64_t due_ns, away_ns; /* since when it has been away; 0: it is not */
	unsigned silent;          /* attempts in a row without an answer */
	uint32_t series;
};

void probe_open(struct source *s);
void probe_close(struct source *s);
/* Asks where that is due; returns when it wants to be called next. */
uint64_t probe_tick(struct source *s);
/* Something was asked, by a probe or for keys: was there an answer? */
void probe_heard(struct source *s, bool answered);
