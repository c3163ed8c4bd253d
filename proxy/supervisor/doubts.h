/* doubts.h -- what a configuration may say and hardly means, as far as the host shows it. Private to
 * supervisor/. */
#pragma once
#include "config/config.h"

/* Warns of certificates that have ended or will soon, of files with secrets that everybody may read, and,
 * where nothing is to be made, of a log directory that is not there. */
void doubts_log(const struct config *c, struct bundle *b, bool look_only, struct config_errors *errors);
