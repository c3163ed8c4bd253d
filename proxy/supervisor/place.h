/* place.h -- the state directory, before anything is kept there. Private to supervisor/.
 *
 * The keeper writes there as the user that it runs as. Where root starts it, a directory that is missing is
 * made and given to that user, and so is an empty one of root's; one that holds anything is nobody's to give
 * away. No link is followed, and what is given is what was looked at: by descriptor, not by path. */
#pragma once
#include "config/config.h"
#include "shared/shared.h"

/* start: it is made, and given away; where that fails a start goes on with a warning: keys will then not
 * outlive a restart. Without it, as `sallyport check` looks: nothing changes, and where a start by root would
 * fail that is complained of (false). */
bool state_try(const struct config *c, const struct account *a, bool start, struct config_errors *errors);
