/* What a client sends after the connection preface, fed to a whole HTTP/2 connection on a wire that has no
 * network under it. The first byte says in what pieces (2 to the power of its low 4 bits) and whether time
 * passes between them (0x10), and whether the peer stops reading (0x20). */
#include "../unit/http/h2_world.h"
#include <nghttp2/nghttp2.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	struct slice left;
	size_t piece;
	bool deaf;
} input;

static ssize_t fake_read(struct wire *w, void *to, size_t cap)
{
	size_t len = input.left.len < input.piece ? input.left.len : input.piece;

	(void)w;
	if (!input.left.len)
		return WIRE_LATER;
	len = len < cap ? len : cap;
	memcpy(to, input.left.at, len);
	input.left = slice_from(input.left, len);
	return (ssize_t)len;
}

/* Whatever was read, what is written is whole frames, within the size that every peer takes. */
static bool fake_write(struct wire *w, const void *from, size_t len)
{
	const uint8_t *at = from;
	size_t left = len;

	while (left) {
		check(left >= 9);
		size_t payload = (size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2];
		check(payload <= 16384 && at[3] <= NGHTTP2_CONTINUATION && 9 + payload <= left);
		at += 9 + payload;
		left -= 9 + payload;
	}
	w->out_len = input.deaf ? w->out_len + len : 0;
	return true;
}

static bool fake_pending(const struct wire *w)
{
	(void)w;
	return input.left.len > 0;
}

static void fake_end(struct wire *w)
{
	w->out_len = 0;
}

static const struct wire_layer fake = {
	.read = fake_read, .write = fake_write, .pending = fake_pending, .shut = fake_end, .free = fake_end
};

static uint64_t still(void)
{
	return 1000 * NS_PER_S + skew_ns;
}

static void run(struct world *w, struct wire *wire, bool waits)
{
	for (int i = 0; i < 20000 && input.left.len && !w->closed; i++) {
		skew_ns += waits ? NS_PER_S : 0;
		wire_nudge(wire);
		loop_turn(w->loop, 0);
	}
	for (int i = 0; i < 8 && !w->closed; i++) {
		skew_ns += waits ? 5 * NS_PER_S : 0;
		loop_turn(w->loop, 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char bytes[1 << 20];
	static struct world w;
	struct list *first;

	if (size < 1 || size > sizeof bytes - NGHTTP2_CLIENT_MAGIC_LEN)
		return 0;
	world_open(&w);
	w.big = 200000;
	w.loop->clock = still;
	w.loop->now_ns = still();
	deadline_wheel_init(&w.loop->wheel, still());
	deadline_wheel_init_brief(&w.loop->brief, still());
	memcpy(bytes, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN);
	memcpy(bytes + NGHTTP2_CLIENT_MAGIC_LEN, data + 1, size - 1);
	input.left = (struct slice){ bytes, NGHTTP2_CLIENT_MAGIC_LEN + size - 1 };
	input.piece = (size_t)1 << (data[0] & 15);
	input.deaf = data[0] & 0x20;
	world_connect(&w);
	first = w.server.connections.next;
	struct wire *wire = list_entry(first, struct http_connection, link)->wire;
	wire->layer = &fake;
	run(&w, wire, data[0] & 0x10);
	world_close(&w);
	return 0;
}
