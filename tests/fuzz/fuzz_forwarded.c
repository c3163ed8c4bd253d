/* X-Forwarded-For and Forwarded behind a trusted peer. Each line is a field: "f" for Forwarded, any other
 * first
 * byte for X-Forwarded-For. */
#include "../unit/request/sample.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct in6_addr peer = { .s6_addr = { [10] = 0xFF, [11] = 0xFF, [12] = 10, [15] = 1 } };

static bool same(const struct in6_addr *a, const struct in6_addr *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

static void again(const struct request *r, const struct config_cidrs *nets)
{
	static struct sample s;
	struct request *q = sample_init(&s);

	s.config.root.trusted_proxies = *nets;
	s.client_facts.peer = peer;
	check(headers_add(&q->headers, S("X-Forwarded-For"), r->forwarded_for));
	check(request_address(q) == FAULT_NONE);
	check(same(&q->address, &r->address) && slice_same(q->forwarded_for, r->forwarded_for));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sample s;
	struct cidr ten = { .net = peer, .bits = 104 };
	struct slice text = { (const char *)data, size };
	struct request *r = sample_init(&s);

	s.config.root.trusted_proxies = (struct config_cidrs){ &ten, 1 };
	s.client_facts.peer = peer;
	while (text.len) {
		struct slice line = slice_cut(&text, '\n');
		bool standard = slice_starts(line, S("f"));
		if (header_is_value(line) &&
		    !headers_add(&r->headers, standard ? S("Forwarded") : S("X-Forwarded-For"), slice_from(line, 1)))
			break;
	}
	if (request_address(r) != FAULT_NONE)
		return 0;
	check(header_is_value(r->forwarded_for));
	check(r->forwarded_for.len || same(&r->address, &peer));
	if (r->forwarded_for.len)
		again(r, &s.config.root.trusted_proxies);
	return 0;
}
