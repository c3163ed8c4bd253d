/* files.h -- when certificates in files end. Part of tls' door. */
#pragma once
#include "config/config.h"

/* The end of what is in it, seconds since 1970: of a chain the first certificate's that ends; of authorities,
 * any of which may be the one that is needed, the last one's. False: no certificate can be read. */
bool tls_file_ends(struct bundle *b, struct slice path, bool authorities, int64_t *end_s);

/* Of the certificates and revocation lists in a PEM file: the last second before which one of them is not
 * valid yet, and the first after which one is valid no more (Unix time; of a list: its next update). False:
 * the bytes hold none that can be read. */
bool tls_dates(struct slice pem, int64_t *from_s, int64_t *until_s);
