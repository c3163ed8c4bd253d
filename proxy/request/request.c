/* The names of faults, and how a request fails or is woken. */
#include "request/request.h"
#include "base/log.h"

const struct fault_info fault_info[FAULTS] = {
	[FAULT_NONE] = { "none", "nothing is wrong", 0, LOG_LEVEL_DEBUG, false },
#define FAULT(name, code, status, level, close, text) \
	[FAULT_##name] = { code, text, status, LOG_LEVEL_##level, close },
#include "request/faults.def"
#undef FAULT
};

const struct slice class_names[CLASSES] = {
	[CLASS_HUMAN] = { "human", 5 },
	[CLASS_DECLARED] = { "declared", 8 },
};

void (*request_on_wake)(struct request *r);

void request_wake(struct request *r)
{
	if (!r->over && request_on_wake)
		request_on_wake(r);
}

enum step_result request_fail(struct request *r, enum fault why)
{
	r->fault = (uint8_t)why;
	return fault_info[why].status ? ANSWER : HANG_UP;
}
