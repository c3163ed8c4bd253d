/* check_trust.c -- whose word is taken for a client's address, and who may read the status. */
#include "config/check.h"

#define WIDE_V4 8 /* bits; a shorter prefix is of more addresses than any one operator has */
#define WIDE_V6 16

/* Whom nobody outside can be: a list that leaves these out still has everyone in it. */
static const char *const apart[] = { "0.0.0.0/8",      "10.0.0.0/8",     "100.64.0.0/10", "127.0.0.0/8",
	                                 "169.254.0.0/16", "172.16.0.0/12",  "192.0.0.0/24",  "192.0.2.0/24",
	                                 "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
	                                 "203.0.113.0/24", "224.0.0.0/3",    "2001:db8::/32" };
#define APART (sizeof apart / sizeof apart[0])

static struct cidr network(const char *text)
{
	struct cidr net = { .bits = 0 };
	const char *why;

	parse_cidr(NULL, slice_of(text), &net, &why);
	return net;
}

static bool holds(const struct cidr *outer, const struct cidr *inner)
{
	struct cidr copy = *outer;

	return outer->bits <= inner->bits && cidrs_have(&(struct config_cidrs){ &copy, 1 }, &inner->net);
}

/* Is every address of `part` in one of the networks? Halves only what one of them lies within, so the work is
 * bounded by their number. */
static bool covers(const struct config_cidrs *nets, struct cidr part)
{
	bool within = false;

	for (size_t i = 0; i < nets->len; i++) {
		if (holds(&nets->at[i], &part))
			return true;
		within |= holds(&part, &nets->at[i]);
	}
	if (!within)
		return false;
	struct cidr upper = part;
	upper.net.s6_addr[part.bits / 8] |= (uint8_t)(0x80u >> part.bits % 8);
	upper.bits++;
	part.bits++;
	return covers(nets, part) && covers(nets, upper);
}

/* Of either family: the public addresses are all there, in however many parts. */
static bool has_everyone(struct check *k, const struct config_cidrs *nets)
{
	struct config_cidrs all = { .len = nets->len + APART };

	if (nets->len == 0)
		return false;
	all.at = store_take(&k->load->scratch, all.len * sizeof *all.at);
	memcpy(all.at, nets->at, nets->len * sizeof *all.at);
	for (size_t i = 0; i < APART; i++)
		all.at[nets->len + i] = network(apart[i]);
	return covers(&all, network("::ffff:0:0/96")) || covers(&all, network("2000::/3"));
}

static bool is_wide(const struct cidr *net)
{
	bool v4 = IN6_IS_ADDR_V4MAPPED(&net->net) && net->bits >= 96;

	return net->bits < (v4 ? 96 + WIDE_V4 : WIDE_V6) && !check_is_private(&net->net);
}

static void warn_wide(struct check *k, const struct config_cidrs *nets, struct config_place holder,
                      const char *what)
{
	for (size_t i = 0; i < nets->len; i++)
		if (is_wide(&nets->at[i])) {
			config_warn(k->load->errors, load_place(k->load, nets, holder),
			            "%s has a network in it that is wider than any operator's own: everybody in it "
			            "chooses the address that they are judged by",
			            what);
			return;
		}
}

struct trust {
	const struct config_cidrs *nets;
	const bool *said;
	struct config_place holder;
	const char *what, *word;
};

static void check_trusted(struct check *k, const struct trust *t)
{
	struct config_errors *errors = k->load->errors;

	if (load_is_broken(k->load, t->nets) || load_is_broken(k->load, t->said))
		return;
	bool everyone = has_everyone(k, t->nets);
	if (everyone && !*t->said)
		config_complain(errors, load_place(k->load, t->nets, t->holder),
		                "%s has all public addresses in it, so every client could choose the address that it "
		                "is judged by; name the proxies' networks or, where nobody else can connect, "
		                "say so: %s: true",
		                t->what, t->word);
	else if (everyone)
		config_warn(errors, load_place(k->load, t->said, t->holder),
		            "%s: true: whoever can connect chooses the address that they are judged by", t->word);
	else if (*t->said)
		config_warn(errors, load_place(k->load, t->said, t->holder),
		            "%s: true does nothing, since %s has not all public addresses in it", t->word, t->what);
	if (!everyone)
		warn_wide(k, t->nets, t->holder, t->what);
}

static void check_status(struct check *k)
{
	const struct config_status *s = &k->root->status;
	struct address a;
	const char *why;

	if (!s->address.at || load_is_broken(k->load, &s->address) || !address_split(s->address, &a, &why))
		return;
	if (!ip_is_loopback(&a.ip) && !check_is_private(&a.ip))
		config_warn(k->load->errors, load_place(k->load, &s->address, s->place),
		            "status.address: \"%.*s\" is neither a loopback nor a private address, and whoever "
		            "reaches it reads metrics, with the names of routes, upstreams and issuers",
		            SHOWN(k, &s->address));
}

void check_trust(struct check *k)
{
	const struct config_root *c = k->root;

	check_trusted(k, &(struct trust){ &c->trusted_proxies, &c->trust_everyone, c->place, "trusted_proxies",
	                                  "trust_everyone" });
	for (size_t i = 0; i < c->listeners_len; i++) {
		const struct config_proxy_protocol *p = c->listeners[i].proxy_protocol;
		if (p)
			check_trusted(k, &(struct trust){ &p->from, &p->everyone, p->place, "proxy_protocol.from",
			                                  "proxy_protocol.everyone" });
	}
	check_status(k);
}
