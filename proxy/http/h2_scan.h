/* h2_scan.h -- where the frames of a connection begin: nghttp2 does not report DATA that it discards. Private
 * to http/. */
#pragma once
#include "base/slice.h"

struct h2_scan {
	uint32_t left;    /* bytes of the preface, or of a frame's payload, that are still to come */
	uint8_t have;     /* bytes of the next frame's head that are in `head` */
	bool whole;       /* the last step completed a head */
	uint8_t head[10]; /* with the length of its padding, of DATA that has any */
};

#define H2_PREFACE_LEN 24 /* what `left` begins with */

/* Steps to the end of a payload or of a frame's head, and returns how many bytes that took. */
size_t h2_scan_step(struct h2_scan *s, struct slice bytes);
/* The stream of a DATA frame whose head the last step completed; else 0. Of that frame: */
int32_t h2_scan_data(const struct h2_scan *s);
size_t h2_scan_head_len(const struct h2_scan *s);
bool h2_scan_ends_stream(const struct h2_scan *s);
bool h2_scan_is_empty(const struct h2_scan *s); /* nothing, or nothing but padding */
