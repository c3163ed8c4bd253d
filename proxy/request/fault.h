/* fault.h -- the ways in which a request can go wrong; rows of faults.def. Part of request's door. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum fault {
	FAULT_NONE,
#define FAULT(name, code, status, level, close, text) FAULT_##name,
#include "request/faults.def"
#undef FAULT
	FAULTS
};

struct fault_info {
	const char *code, *text;
	uint16_t status; /* 0: nothing can be answered */
	uint8_t level;   /* enum log_level */
	bool close;
};
extern const struct fault_info fault_info[FAULTS];
