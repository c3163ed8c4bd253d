/* Decides when changed files are tried. */
#include "supervisor/rhythm.h"

void rhythm_stir(struct rhythm *r, uint64_t now_ns)
{
	r->stirred_ns = now_ns;
}

uint64_t rhythm_next_ns(const struct rhythm *r)
{
	uint64_t quiet_ns = r->stirred_ns + RHYTHM_QUIET_NS;

	return r->stirred_ns && quiet_ns < r->look_ns ? quiet_ns : r->look_ns;
}

bool rhythm_may_try(struct rhythm *r, uint64_t now_ns)
{
	if (!r->made_ns || now_ns >= r->made_ns + RHYTHM_APART_NS)
		return true;
	r->stirred_ns = 0;
	r->look_ns = r->made_ns + RHYTHM_APART_NS;
	return false;
}

void rhythm_put_off(struct rhythm *r, uint64_t now_ns)
{
	r->stirred_ns = 0;
	r->look_ns = now_ns + RHYTHM_AGAIN_NS;
}

bool rhythm_done(struct rhythm *r, enum rhythm_result result, uint64_t now_ns)
{
	r->stirred_ns = 0;
	r->look_ns = now_ns + RHYTHM_LOOK_NS;
	if (result != RHYTHM_FAILED) {
		r->failed_ns = 0;
		r->said = false;
		r->made_ns = result == RHYTHM_TAKEN ? now_ns : r->made_ns;
		return false;
	}
	if (!r->failed_ns)
		r->failed_ns = now_ns;
	bool say = now_ns >= r->failed_ns + RHYTHM_SILENT_NS && !r->said;
	r->said |= say;
	if (!r->said)
		r->look_ns = now_ns + RHYTHM_AGAIN_NS;
	return say;
}
