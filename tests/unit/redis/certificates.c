/* certificates.c -- what certificates.h promises. */
#include "certificates.h"

static void write_pem(const char *name, const struct pki *p)
{
	char file[32];

	snprintf(file, sizeof file, "%s.pem", name);
	FILE *out = fopen(in_dir(file), "w");
	assert_non_null(out);
	PEM_write_X509(out, p->cert);
	fclose(out);
	snprintf(file, sizeof file, "%s.key", name);
	out = fopen(in_dir(file), "w");
	assert_non_null(out);
	PEM_write_PrivateKey(out, p->key, NULL, NULL, 0, NULL, NULL);
	fclose(out);
}

void write_certificates(void)
{
	struct pki ca = pki_make((struct pki_wish){ .cn = "CA", .authority = true });
	struct pki server = pki_make((struct pki_wish){ .cn = "redis", .by = &ca, .names = "IP:127.0.0.1" });
	struct pki client = pki_make((struct pki_wish){ .cn = "proxy", .by = &ca });

	write_pem("ca", &ca);
	write_pem("server", &server);
	write_pem("client", &client);
	pki_free(&ca);
	pki_free(&server);
	pki_free(&client);
}
