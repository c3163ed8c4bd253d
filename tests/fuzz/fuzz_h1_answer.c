/* A response head from an upstream. */
#include "http/codec.h"
#include "pieces.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct head_bounds bounds = { .head_max = 600, .fields_max = 12 };

static enum head_result read_pieces(struct answer_head *to, struct slice all, bool to_head, struct pieces *p,
                                    size_t *len)
{
	size_t seen = 0, n = 0;

	for (;;) {
		enum head_result result = head_read_answer(slice_head(all, n), &bounds, &seen, to_head, to, len);
		if (result != HEAD_MORE || n == all.len)
			return result;
		n += p ? pieces_next(p, all.len - n) : all.len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct header one_fields[12], other_fields[12];
	struct answer_head one = { .headers = { .at = one_fields, .cap = 12 } };
	struct answer_head other = { .headers = { .at = other_fields, .cap = 12 } };
	struct slice all = { (const char *)data, size };
	struct pieces p = pieces_of(all);
	bool to_head = size & 1;
	size_t one_len = 0, other_len = 0;
	enum head_result result = read_pieces(&one, all, to_head, NULL, &one_len);

	check(result == read_pieces(&other, all, to_head, &p, &other_len));
	check(result != HEAD_MORE || size < bounds.head_max);
	if (result != HEAD_DONE)
		return 0;
	check(one_len == other_len && one_len <= size && slice_ends(slice_head(all, one_len), S("\r\n\r\n")));
	check(one.status >= 100 && one.status <= 599 && one.status == other.status);
	check(!(one.chunked && one.has_length) && one.keep == other.keep && one.length == other.length);
	check(!one.keep || answer_body(&one) != BODY_UNTIL_CLOSE);
	for (uint16_t i = 0; i < one.headers.len; i++)
		check(header_is_name(one.headers.at[i].name) && header_is_value(one.headers.at[i].value));
	return 0;
}
