/* sharing.h -- the keeper of asking.h as one of a fleet, with a Redis of one value. */
#pragma once
#include "asking.h"

/* The last question to Redis is answered with what it has. */
void asking_fleet_answer(void);

/* A keeper of a fleet, on this machine or, with memory wiped, on another. */
void asking_join(const char *secret);
