/* fixture.h -- a real supervisor over the processes of child_bodies.h. The test is its parent and sees
 * the shared memory. */
#pragma once
#include "base/log.h"
#include "../ports.h"
#include "child_bodies.h"
#include "talk.h"
#include "watch.h"

void supervised_write(struct supervised *h, const char *more, unsigned workers, unsigned port,
                      unsigned other);

int supervised_open(void **state);

int supervised_close(void **state);
