/* Writes and reads workers' questions to the keeper. */
#include "shared/keeper_queue.h"
#include "base/secret.h"

/* then issuer and what */
struct ask_head {
	uint64_t token_iat_s;
	uint32_t issuer_len, kind;
};

bool keeper_queue_put(struct ring r, const struct keeper_question *ask)
{
	struct ask_head head = { ask->token_iat_s, (uint32_t)ask->issuer.len, ask->kind };
	struct slice issuer = ask->issuer, what = ask->what;
	char record[ASK_MAX];

	if (issuer.len > ASK_MAX / 2 || what.len > ASK_MAX / 2 ||
	    sizeof head + issuer.len + what.len > sizeof record)
		return false;
	memcpy(record, &head, sizeof head);
	if (issuer.len)
		memcpy(record + sizeof head, issuer.at, issuer.len);
	if (what.len)
		memcpy(record + sizeof head + issuer.len, what.at, what.len);
	bool put = ring_put(r, (struct slice){ record, sizeof head + issuer.len + what.len });
	secret_wipe(record, sizeof head + issuer.len + what.len); /* it may be a token */
	return put;
}

bool keeper_queue_take(struct ring r, char room[static ASK_MAX], struct keeper_question *to)
{
	struct ask_head head;
	size_t len;

	while ((len = ring_take(r, room, ASK_MAX)) > 0) {
		if (len < sizeof head)
			continue;
		memcpy(&head, room, sizeof head);
		struct slice names = { room + sizeof head, len - sizeof head };
		if (head.issuer_len > names.len || head.kind > ASK_ABSENCE)
			continue;
		*to = (struct keeper_question){ (enum keeper_question_kind)head.kind,
			                            slice_head(names, head.issuer_len),
			                            slice_from(names, head.issuer_len), head.token_iat_s };
		return true;
	}
	return false;
}
