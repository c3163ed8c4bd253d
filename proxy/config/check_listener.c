/* Checks the listeners. */
#include "config/check.h"

static void check_certificates(struct check *k, struct config_listener_tls *t)
{
	if (t->certificates_len == 0 && !load_is_broken(k->load, &t->certificates))
		COMPLAIN(k, &t->certificates, t,
		         "tls needs at least one certificate: certificates: [{chain: FILE, key: FILE}]");
	for (size_t i = 0; i < t->certificates_len; i++) {
		check_file(k, &t->certificates[i].chain, t->certificates[i].place);
		check_file(k, &t->certificates[i].key, t->certificates[i].place);
	}
}

/* Whether clients are asked for a certificate must be said, with the CA that it is judged by. */
static void check_client_certificates(struct check *k, struct config_listener_tls *t)
{
	struct parse_with w = { k->load->keep, k->load->bundle, k->load->directory };
	bool asked = t->client_certificate != CLIENT_CERTIFICATE_NONE;
	const char *why = NULL;

	check_file(k, &t->client_ca, t->place);
	check_file(k, &t->crl, t->place);
	if (t->crl.at && !t->client_ca.at)
		COMPLAIN(k, &t->crl, t, "crl needs client_ca, whose certificates it revokes");
	if (asked && !t->client_ca.at)
		COMPLAIN(k, &t->client_certificate, t,
		         "client_certificate needs client_ca, by which certificates are judged");
	if (t->client_ca.at && !load_is_written(k->load, &t->client_certificate))
		COMPLAIN(k, &t->client_ca, t,
		         "client_ca does nothing without client_certificate: optional, or required");
	if (t->client_hosts.len && !asked)
		COMPLAIN(k, &t->client_hosts, t,
		         "client_hosts does nothing without client_certificate: optional, or required");
	for (size_t i = 0; i < t->client_hosts.len; i++)
		if (!parse_host(&w, t->client_hosts.at[i], &t->client_hosts.at[i], &why))
			COMPLAIN(k, &t->client_hosts.at[i], t, "client_hosts: \"%.*s\" is not a valid host name",
			         SHOWN(k, &t->client_hosts.at[i]));
	check_distinct(k, &t->client_hosts, t->place, "server name");
}

static void leave_h2_out(struct config_texts *protocols)
{
	size_t len = 0;

	for (size_t i = 0; i < protocols->len; i++)
		if (!slice_same(protocols->at[i], S("h2")))
			protocols->at[len++] = protocols->at[i];
	protocols->len = len;
}

static void check_protocols(struct check *k, struct config_listener *l)
{
	if (!l->tls && !load_is_written(k->load, &l->protocols))
		leave_h2_out(&l->protocols);
	if (l->protocols.len == 0)
		COMPLAIN(k, &l->protocols, l, "protocols needs h2, or http/1.1, or both");
	for (size_t i = 0; i < l->protocols.len; i++) {
		const struct slice *p = &l->protocols.at[i];
		bool h2 = slice_same(*p, S("h2"));
		if (!h2 && !slice_same(*p, S("http/1.1")))
			COMPLAIN(k, p, l, "protocols: \"%.*s\" is neither h2 nor http/1.1", SHOWN(k, p));
		else if (h2 && !l->tls)
			COMPLAIN(k, p, l, "h2 is spoken over TLS only, and this listener has no tls");
	}
	check_distinct(k, &l->protocols, l->place, "protocol");
}

/* Plain HTTP stays inside, on the machine or in a private network, unless the word is given. */
static void check_plain(struct check *k, const struct config_listener *l, const struct address *a)
{
	if (!l->plain && !ip_is_loopback(&a->ip) && !check_is_private(&a->ip))
		COMPLAIN(
		    k, &l->address, l,
		    "a listener without tls speaks plain HTTP and may stand only on a loopback or private address, "
		    "and \"%.*s\" is neither; where something else ends TLS before it, say so: plain: true",
		    SHOWN(k, &l->address));
}

/* Every address is listened on once; `taken` goes from address to its field. */
static void check_taken(struct check *k, struct index *taken, const struct slice *field,
                        struct config_place holder)
{
	struct address *a = store_take(&k->load->scratch, sizeof *a);
	const char *why;

	if (!address_split(*field, a, &why))
		return;
	const struct slice *old =
	    index_add(taken, (struct slice){ (const char *)a, sizeof *a }, (void *)(uintptr_t)field);
	if (!old)
		return;
	struct config_place first = load_place(k->load, old, holder);
	config_complain(k->load->errors, load_place(k->load, field, holder),
	                "\"%.*s\" is listened on twice; the first is at %s:%u:%u", SHOWN(k, field), first.file,
	                first.line, first.column);
}

static void check_listener(struct check *k, struct config_listener *l, struct index *taken)
{
	struct address a;
	const char *why;

	if (l->tls && l->tls->client_certificate != CLIENT_CERTIFICATE_NONE)
		k->has_client_certificates = true;
	if (load_is_broken(k->load, &l->place))
		return;
	check_taken(k, taken, &l->address, l->place);
	if (!l->tls && address_split(l->address, &a, &why))
		check_plain(k, l, &a);
	check_protocols(k, l);
	if (l->tls && l->plain)
		COMPLAIN(k, &l->plain, l, "plain: true and tls exclude each other");
	if (l->tls) {
		check_certificates(k, l->tls);
		check_client_certificates(k, l->tls);
	}
}

void check_listeners(struct check *k)
{
	struct config_root *c = k->root;
	struct index taken = index_of(&k->load->scratch);

	if (c->listeners_len == 0 && !load_is_broken(k->load, &c->listeners))
		COMPLAIN(k, &c->listeners, c, "there is no listener; write at least one under listeners:");
	if (c->status.address.at && !load_is_broken(k->load, &c->status.address))
		check_taken(k, &taken, &c->status.address, c->status.place);
	for (size_t i = 0; i < c->listeners_len; i++)
		check_listener(k, &c->listeners[i], &taken);
}
