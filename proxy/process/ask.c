#include "process/ask.h"

/* iat, the issuer's length, then issuer and kid */
struct ask_head { uint64_t token_iat_s; uint32_t issuer_len; };

bool ask_put(struct ring *r, struct slice issuer, struct slice kid, uint64_t token_iat_s)
{
	struct ask_head head = { token_iat_s, (uint32_t)issuer.len };
	char record[ASK_MAX];

	if (issuer.len > ASK_MAX / 2 || kid.len > ASK_MAX / 2 ||
		sizeof head + issuer.len + kid.len > sizeof record)
		return false;
	memset(record, 0, sizeof head);
	memcpy(record, &head, sizeof head);
	if (issuer.len)
		memcpy(record + sizeof head, issuer.at, issuer.len);
	if (kid.len)
		memcpy(record + sizeof head + issuer.len, kid.at, kid.len);
	return ring_put(r, (struct slice){ record, sizeof head + issuer.len + kid.len });
}

bool ask_take(struct ring *r, char room[static ASK_MAX], struct ask *to)
{
	struct ask_head head;
	size_t len;

	while ((len = ring_take(r, room, ASK_MAX)) > 0) {
		if (len < sizeof head)
			continue;
		memcpy(&head, room, sizeof head);
		struct slice names = { room + sizeof head, len - sizeof head };
		if (head.issuer_len > names.len)
			continue;
		*to = (struct ask){ slice_head(names, head.issuer_len), slice_from(names, head.issuer_len),
			head.token_iat_s };
		return true;
	}
	return false;
}
