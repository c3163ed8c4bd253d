/* local_ca.h -- a certificate authority of one machine, for development and tests. Part of tls's door. */
#pragma once
#include "base/slice.h"

/* Makes, or keeps while they are valid for a week more, ca.pem, ca.key, server.pem and server.key in the
 * directory (which exists; keys are made with mode 0600, EC P-256). The certificate is for localhost,
 * *.localhost, 127.0.0.1 and ::1, valid 90 days; the CA, whose names are limited to those, one year. No trust
 * store is touched. False: *why is a sentence. */
bool tls_local_ca(const char *directory, const char **why) __attribute__((warn_unused_result));
