/* memory.h -- the table of counters in shared memory, and which part of it a process writes. Part of metrics'
 * door. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* Bytes of zeroed shared memory needed for `seats` processes. The first METRICS_HEAD of them are written by
 * the first attach alone and may be closed to writing after it; what follows may be overwritten by whoever
 * has it, and is believed by nobody. */
#define METRICS_HEAD ((size_t)4096)
size_t metrics_memory(unsigned seats);
/* Makes `memory` (8-byte aligned) the table that this process reads and writes; lays it out where it is still
 * zero. False, and nothing is attached: it was laid out by another version or for another number of seats. */
bool metrics_attach(void *memory, unsigned seats);
/* The seat whose cells this process adds to. Before this call, and without attach, adding is harmless.
 * One process sits on a seat at a time, and no thread or forked child of it adds there (an addition is no
 * locked operation); sitting down clears the gauges that a killed predecessor left. */
void metrics_sit(unsigned seat);
/* What this process adds from here on counts nowhere: for a forked child. detach: it unmaps the memory
 * too. */
void metrics_leave(void);
void metrics_detach(void);
/* Sets the gauges of a seat to 0: for whoever learns that its process is gone. */
void metrics_clear(unsigned seat);
