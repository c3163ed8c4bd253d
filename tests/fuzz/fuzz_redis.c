/* What a server says: to the greeting, to questions, of its cluster, of its master. */
#include "redis/redis.h"
#include "base/check.h"
#include "base/text.h"
#include "pieces.h"
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PEERS 8
#define ASKS 3

static const char *const modes[] = { "servers: \"redis://127.0.0.1:1\"",
	                                 "mode: cluster, servers: \"redis://127.0.0.1:1\"",
	                                 "mode: sentinel, master: m, servers: \"redis://127.0.0.1:1\"" };
static const char greeting[] = "+OK\r\n*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n$16\r\nrun_id:abcdefgh\r\n\r\n"
                               "*2\r\n$10\r\n1700000000\r\n$1\r\n5\r\n";

static struct {
	int peer[PEERS];
	size_t len;
	unsigned asked, done;
	uint64_t seen; /* of the values: all of them can be read */
} world;
static uint64_t now_ns;

static uint64_t clock_of(void)
{
	return now_ns;
}

static int dial(void *with, const struct sockaddr_storage *to, socklen_t len)
{
	int pair[2];

	(void)with, (void)to, (void)len;
	if (world.len == PEERS)
		return -1;
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	check(fcntl(pair[1], F_SETFL, O_NONBLOCK) == 0);
	world.peer[world.len++] = pair[1];
	return pair[0];
}

static void walk(const struct redis_value *v)
{
	for (size_t i = 0; i < v->text.len; i++)
		world.seen += (unsigned char)v->text.at[i];
	for (size_t i = 0; i < v->len; i++)
		walk(&v->array[i]);
}

static void on_done(void *with, const struct redis_answer *a)
{
	(void)with;
	world.done++;
	check((a->outcome == REDIS_LOST) == (a->values == NULL));
	for (size_t i = 0; a->values && i < a->len; i++) {
		check(a->outcome == REDIS_REFUSED || a->values[i].type != REDIS_ERROR);
		walk(&a->values[i]);
	}
}

static void turn(struct redis *r, struct loop *l)
{
	now_ns += NS_PER_MS;
	loop_turn(l, 0);
	redis_sweep(r);
	redis_flush(r);
}

static void ask(struct redis *r)
{
	const struct slice words[] = { S("GET"), S("k") };
	const struct redis_command commands[] = { { words, 2 }, { words, 2 } };
	const struct redis_ask a = { .slot = 5, .commands = commands, .commands_len = 2, .on_done = on_done };

	if (world.asked < ASKS && redis_ask(r, &a))
		world.asked++;
}

static struct config *config_of(struct bundle *b, unsigned mode)
{
	static struct config *configs[3];
	struct config_errors errors = { 0 };
	char text[256];
	struct text t = TEXT(text);

	if (configs[mode])
		return configs[mode];
	text_printf(&t, "environment: dev\nlisteners: [{address: \"127.0.0.1:80\"}]\nredis: {%s}\n", modes[mode]);
	bundle_put(b, "/c", text_slice(&t));
	configs[mode] = config_load(b, "/c", &errors);
	check(configs[mode]);
	config_errors_free(&errors);
	return configs[mode];
}

/* To the newest connection, in pieces; what does not fit in the socket is dropped. */
static void say(struct redis *r, struct loop *l, struct slice bytes)
{
	struct pieces p = pieces_of(bytes);

	while (bytes.len && world.len) {
		size_t n = pieces_next(&p, bytes.len);
		ssize_t sent = send(world.peer[world.len - 1], bytes.at, n, MSG_NOSIGNAL);
		if (sent <= 0)
			break;
		bytes = slice_from(bytes, (size_t)sent);
		turn(r, l);
		ask(r);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bundle *bundle;
	struct config_errors errors = { 0 };
	struct slice all = { (const char *)data, size };
	struct loop *l = loop_open();

	if (!bundle)
		bundle = bundle_record();
	memset(&world, 0, sizeof world);
	now_ns = 1000 * NS_PER_S;
	l->clock = clock_of;
	l->now_ns = now_ns;
	deadline_wheel_init(&l->wheel, now_ns);
	const struct redis_env w = { .config = config_of(bundle, size ? data[0] % 3 : 0),
		                         .bundle = bundle,
		                         .loop = l,
		                         .dial = dial,
		                         .name = S("fuzz") };
	struct redis *r = redis_open(&w, &errors);
	check(r);
	turn(r, l);
	turn(r, l);
	if (size && data[0] & 4) {
		say(r, l, data[0] % 3 ? S("+PONG\r\n") : (struct slice){ greeting, sizeof greeting - 1 });
		ask(r);
		turn(r, l);
	}
	say(r, l, slice_from(all, 1));
	for (size_t i = 0; i < world.len; i++)
		close(world.peer[i]);
	world.len = PEERS;
	turn(r, l);
	turn(r, l);
	check(world.done == world.asked);
	redis_close(r);
	loop_turn(l, 0);
	loop_close(l);
	return 0;
}
