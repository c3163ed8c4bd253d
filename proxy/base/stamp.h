/* stamp.h -- wall-clock times as text, in UTC; no time zone file is ever opened. */
#pragma once
#include "base/text.h"

/* 2025-03-14T15:09:26.535Z (RFC 3339, milliseconds). wall_ns: ns since 1970, up to the year 9999. */
void stamp_rfc3339(struct text *t, uint64_t wall_ns);
/* Fri, 14 Mar 2025 15:09:26 GMT (RFC 9110 IMF-fixdate). */
void stamp_http(struct text *t, uint64_t wall_ns);
