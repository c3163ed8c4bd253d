/* fake.c -- what fake.h promises. */
#include "fake.h"

struct fake f;
uint64_t fake_now_ns;

static uint64_t fake_clock(void)
{
	return fake_now_ns;
}

/* A connection that is under way: it is refused after a moment, or nobody ever answers. */
static int dial_nobody(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	int pair[2], fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (f.dead_how == DEAD_SILENT) { /* what is full is not writable, as what is not connected */
		close(fd);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
		while (write(pair[0], &a, sizeof a) > 0)
			;
		f.silent = pair[1];
		return pair[0];
	}
	int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(taken, (struct sockaddr *)&a, len), 0); /* and nobody listens there */
	assert_int_equal(getsockname(taken, (struct sockaddr *)&a, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, len), -1);
	close(taken);
	return fd;
}

static int fake_dial(void *with, const struct sockaddr_storage *to, socklen_t len)
{
	int pair[2];

	(void)with, (void)len;
	f.dials++;
	if (f.refuses || (to->ss_family == f.dead && f.dead_how == DEAD_AT_ONCE))
		return -1;
	if (to->ss_family == f.dead)
		return dial_nobody();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(fcntl(pair[1], F_SETFL, O_NONBLOCK), 0);
	if (f.peer >= 0 && !f.keeps)
		close(f.peer);
	f.peer = pair[1];
	if (f.keeps) {
		check(f.dials <= 8);
		f.peers[f.dials - 1] = pair[1];
	}
	f.heard_len = 0;
	return pair[0];
}

void on_event(void *with, unsigned shard, enum redis_event what)
{
	(void)with, (void)shard;
	check(f.events_len + 1 < sizeof f.events);
	f.events[f.events_len++] = "OSCR"[what];
	f.events[f.events_len] = '\0';
}

static struct config *fake_config(struct bundle *b, const char *redis)
{
	struct config_errors errors = { 0 };
	char text[1024];

	snprintf(text, sizeof text,
	         "environment: dev\nlisteners:\n  - {address: \"127.0.0.1:8080\"}\nredis: {%s}\n", redis);
	bundle_put(b, "/etc/s/c.yaml", slice_of(text));
	struct config *c = config_load(b, "/etc/s/c.yaml", &errors);
	if (!c)
		fprintf(stderr, "%s", errors.text);
	assert_non_null(c);
	config_errors_free(&errors);
	return c;
}

void fake_open(const char *redis)
{
	struct config_errors errors = { 0 };

	memset(&f, 0, sizeof f);
	f.peer = -1;
	f.role = "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n";
	f.run = RUN_A;
	fake_now_ns = 1000 * NS_PER_S;
	f.bundle = bundle_record();
	f.config = fake_config(f.bundle, redis);
	f.loop = loop_open();
	f.loop->clock = fake_clock;
	f.loop->now_ns = fake_now_ns;
	deadline_wheel_init(&f.loop->wheel, fake_now_ns);
	const struct redis_env w = { .config = f.config,
		                         .bundle = f.bundle,
		                         .loop = f.loop,
		                         .on_event = on_event,
		                         .dial = fake_dial,
		                         .names = &f.published.names,
		                         .name = S("test") };
	f.redis = redis_open(&w, &errors);
	assert_non_null(f.redis);
}

void fake_close(void)
{
	redis_close(f.redis);
	loop_turn(f.loop, 0);
	loop_close(f.loop);
	config_free(f.config);
	bundle_close(f.bundle);
	if (f.peer >= 0 && !f.keeps)
		close(f.peer);
	for (unsigned i = 0; f.keeps && i < f.dials; i++)
		close(f.peers[i]);
}

void turn(uint64_t after_ns)
{
	fake_now_ns += after_ns;
	loop_turn(f.loop, 0);
	redis_sweep(f.redis);
	redis_flush(f.redis);
}

size_t hear(void)
{
	ssize_t n = f.peer < 0 ? -1 : read(f.peer, f.heard + f.heard_len, sizeof f.heard - 1 - f.heard_len);

	if (n > 0)
		f.heard_len += (size_t)n;
	f.heard[f.heard_len] = '\0';
	return n > 0 ? (size_t)n : 0;
}

void reply(const char *bytes)
{
	assert_int_equal(write(f.peer, bytes, strlen(bytes)), strlen(bytes));
}

void reply_time(uint64_t theirs_ns)
{
	char s[32], us[32], all[128];

	snprintf(s, sizeof s, "%llu", (unsigned long long)(theirs_ns / NS_PER_S));
	snprintf(us, sizeof us, "%llu", (unsigned long long)(theirs_ns % NS_PER_S / NS_PER_US));
	snprintf(all, sizeof all, "*2\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(s), s, strlen(us), us);
	reply(all);
}

bool next_command(char to[512])
{
	struct slice rest = { f.heard, f.heard_len };
	struct text t = { .at = to, .cap = 511 };
	uint64_t words = 0, len;

	if (!f.heard_len || f.heard[0] != '*')
		return false;
	struct slice head = slice_from(slice_cut(&rest, '\r'), 1);
	assert_true(slice_u64(head, &words));
	rest = slice_from(rest, 1);
	for (uint64_t i = 0; i < words; i++) {
		assert_true(slice_u64(slice_from(slice_cut(&rest, '\r'), 1), &len));
		rest = slice_from(rest, 1);
		if (i)
			text_char(&t, ' ');
		text_add(&t, slice_head(rest, len));
		rest = slice_from(rest, len + 2);
	}
	to[t.len] = '\0';
	f.heard_len = rest.len;
	memmove(f.heard, rest.at, rest.len);
	return true;
}

bool serve(char to[512])
{
	char info[128];

	hear();
	while (next_command(to)) {
		snprintf(info, sizeof info, "$%zu\r\n%s\r\n", strlen(f.run), f.run);
		if (strncmp(to, "AUTH", 4) == 0 || strncmp(to, "CLIENT", 6) == 0)
			reply("+OK\r\n");
		else if (strcmp(to, "PING") == 0)
			reply("+PONG\r\n");
		else if (strcmp(to, "ROLE") == 0)
			reply(f.role);
		else if (strncmp(to, "INFO", 4) == 0)
			reply(info);
		else if (strcmp(to, "TIME") == 0)
			reply_time(fake_now_ns + REDIS_AHEAD_NS);
		else
			return true;
	}
	return false;
}

void answer_all(const char *with)
{
	static char other[512];

	while (serve(other))
		reply(with);
}

bool reach(enum redis_state state, uint64_t step_ns, unsigned most)
{
	char heard[512];

	for (unsigned i = 0; i < most; i++) {
		turn(step_ns);
		serve(heard);
		turn(0);
		if (redis_state(f.redis, 0) == state)
			return true;
	}
	return false;
}

char command[512];

void open_up(void)
{
	fake_open(ONE);
	assert_true(reach(REDIS_UP, MS, 8));
	while (f.loop->turns < 60) { /* the clock's first looks are over */
		turn(20 * MS);
		serve(command);
		turn(0);
	}
	f.events_len = 0;
}

static void on_overdue(void *with)
{
	(void)with;
	f.got.overdue++;
}

void on_done(void *with, const struct redis_answer *a)
{
	(void)with;
	f.got.done++;
	f.got.outcome = a->outcome;
	f.got.late = a->late;
	if (!a->values)
		return;
	f.got.integer = a->values[0].integer;
	snprintf(f.got.text, sizeof f.got.text, "%.*s", SLICE(a->values[0].text));
}

uint64_t ask_words(const struct slice *words, size_t len, bool settling)
{
	const struct redis_command words_of = { words, len };
	const struct redis_ask ask = { .slot = redis_slot(S("k")),
		                           .settling = settling,
		                           .commands = &words_of,
		                           .commands_len = 1,
		                           .on_overdue = on_overdue,
		                           .on_done = on_done };

	return redis_ask(f.redis, &ask);
}

uint64_t ask_get(void)
{
	const struct slice words[] = { S("GET"), S("k") };

	return ask_words(words, 2, false);
}
