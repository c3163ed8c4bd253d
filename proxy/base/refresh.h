/* refresh.h -- when what has been looked up is looked up again: 30 s after it was found; 1 s after a failure,
 * doubling to that. With a tenth of jitter, so that not all are asked for in one moment. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct refresh {
	uint64_t due_ns; /* UINT64_MAX: it is not */
	unsigned failed; /* in a row */
};

/* True: it had failed before. */
bool refresh_found(struct refresh *r, uint64_t now_ns);
/* True: it is the first failure in a row. */
bool refresh_failed(struct refresh *r, uint64_t now_ns);
