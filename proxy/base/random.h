/* random.h -- getrandom(2), buffered. Aborts where the kernel gives none (it always does after boot). */
#pragma once
#include <stddef.h>
#include <stdint.h>

void random_bytes(void *to, size_t len);
uint64_t random_u64(void);

/* value changed by at most +-percent, evenly. */
uint64_t random_jitter(uint64_t value, unsigned percent);
