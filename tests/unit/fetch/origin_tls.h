/* origin_tls.h -- a certificate for the small server of origin.h. */
#pragma once
#include "origin.h"
#include <openssl/pem.h>
#include <openssl/x509v3.h>

/* A server context with a certificate for this name alone, which is written to pem_path. */
SSL_CTX *origin_tls(const char *name, const char *pem_path);
