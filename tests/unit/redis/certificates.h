/* certificates.h -- ca, server (127.0.0.1) and client as files beside the servers of real.h. */
#pragma once
#include "../tls/pki.h"
#include "real.h"

void write_certificates(void);
