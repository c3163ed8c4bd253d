/* worker.h -- the processes of the data plane: a worker serves requests, the writer writes what workers log.
 * */
#pragma once
#include "shared/shared.h"

/* They return an exit status. */
int worker_main(struct child_context *p);
int writer_main(struct child_context *p);
