/* real.c -- what real.h promises. */
#include "real.h"

struct real real;

const char *in_dir(const char *name)
{
	static char path[4][256];
	static unsigned at;
	char *to = path[at++ % 4];

	snprintf(to, sizeof path[0], "%s/%s", real.dir, name);
	return to;
}

void write_file(const char *name, const char *text)
{
	FILE *out = fopen(in_dir(name), "w");

	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

void copy_acl(const char *from, const char *to)
{
	static char text[4096];
	FILE *in = fopen(from, "r");

	assert_non_null(in);
	text[fread(text, 1, sizeof text - 1, in)] = '\0';
	fclose(in);
	char *word = strstr(text, "CHANGE-ME");
	assert_non_null(word);
	for (; word; word = strstr(word, "CHANGE-ME"))
		memcpy(word, "hunter222", 9);
	write_file(to, text);
	write_file("password", "hunter222\n");
	write_file("keeper-password", "hunter222-TOO\n");
}

static int remove_one(const char *path, const struct stat *st, int what, struct FTW *at)
{
	(void)st, (void)what, (void)at;
	return remove(path);
}

size_t start(const char *kind, uint16_t port, const char *text)
{
	char name[32], log[40];
	struct server *s = &real.server[real.len];

	assert_true(real.len < SERVERS);
	snprintf(name, sizeof name, "%zu.conf", real.len);
	snprintf(log, sizeof log, "%zu.log", real.len);
	write_file(name, text);
	s->port = port;
	s->pid = fork();
	if (s->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		int out = open(in_dir(log), O_WRONLY | O_CREAT | O_TRUNC, 0600);
		dup2(out, 1);
		dup2(out, 2);
		if (chdir(real.dir) == 0)
			execlp("redis-server", "redis-server", name, kind, (char *)NULL);
		_exit(127);
	}
	return real.len++;
}

void stop(size_t server, int with)
{
	kill(real.server[server].pid, with);
	waitpid(real.server[server].pid, NULL, 0);
	real.server[server].pid = 0;
}

const char *cli(const char *format, ...)
{
	static char said[65536];
	char arguments[512], command[700];
	va_list args;

	va_start(args, format);
	vsnprintf(arguments, sizeof arguments, format, args);
	va_end(args);
	snprintf(command, sizeof command, "cd %s && redis-cli --no-auth-warning %s 2>&1", real.dir, arguments);
	FILE *in = popen(command, "r");
	assert_non_null(in);
	size_t len = fread(said, 1, sizeof said - 1, in);
	said[len] = '\0';
	pclose(in);
	return said;
}

void until_says(const char *piece, const char *command)
{
	uint64_t end_ns = clock_ns() + PATIENCE_NS;

	while (!strstr(cli("%s", command), piece)) {
		if (clock_ns() > end_ns)
			fail_msg("%s never said %s, but: %s", command, piece, cli("%s", command));
		usleep(20000);
	}
}

size_t start_server(const char *more)
{
	char text[2048], command[64];
	uint16_t port = free_port();

	snprintf(text, sizeof text,
	         "port %u\nbind 127.0.0.1\ndir %s\nsave \"\"\nappendonly no\n"
	         "dbfilename %u.rdb\n%s\n",
	         port, real.dir, port, more);
	size_t s = start(NULL, port, text);
	snprintf(command, sizeof command, "-p %u ping", port);
	until_says("PONG", command);
	return s;
}

static void on_event(void *with, unsigned shard, enum redis_event what)
{
	(void)with, (void)shard;
	check(real.events_len + 1 < sizeof real.events);
	real.events[real.events_len++] = "OSCR"[what];
	real.events[real.events_len] = '\0';
}

void open_room(const char *redis)
{
	struct config_errors errors = { 0 };
	char text[2048];

	snprintf(text, sizeof text,
	         "environment: prod\nlisteners:\n  - {address: \"127.0.0.1:80\"}\nredis: {%s}\n", redis);
	write_file("sallyport.yaml", text);
	real.bundle = bundle_record();
	real.config = config_load(real.bundle, in_dir("sallyport.yaml"), &errors);
	if (!real.config)
		fprintf(stderr, "%s", errors.text);
	assert_non_null(real.config);
	real.loop = loop_open();
	const struct redis_env w = { .config = real.config,
		                         .bundle = real.bundle,
		                         .loop = real.loop,
		                         .on_event = on_event,
		                         .name = S("test") };
	real.redis = redis_open(&w, &errors);
	if (!real.redis)
		fprintf(stderr, "%s", errors.text ? errors.text : "no reason\n");
	assert_non_null(real.redis);
	config_errors_free(&errors);
}

void real_turn(void)
{
	uint64_t due_ns = redis_due_ns(real.redis), now_ns = clock_ns();
	uint64_t rest_ns = due_ns < now_ns ? 0 : due_ns - now_ns;

	loop_turn(real.loop, rest_ns < 20 * NS_PER_MS ? rest_ns : 20 * NS_PER_MS);
	redis_sweep(real.redis);
	redis_flush(real.redis);
}

static void on_done(void *with, const struct redis_answer *a)
{
	struct got *g = with;

	g->done++;
	g->late += a->late;
	g->answered += a->outcome == REDIS_ANSWERED;
	g->refused += a->outcome == REDIS_REFUSED;
	g->lost += a->outcome == REDIS_LOST;
	for (size_t i = 0; a->values && i < a->len; i++)
		if (a->values[i].type == REDIS_ERROR)
			snprintf(g->error, sizeof g->error, "%.*s", SLICE(a->values[i].text));
	if (a->values && a->values[0].type == REDIS_ARRAY && a->values[0].len)
		g->integer = a->values[0].array[a->values[0].len - 1].integer;
}

bool count_up(const char *key, struct got *to)
{
	char whole[128];
	struct text t = TEXT(whole);

	text_add(&t, redis_keyspace(real.redis));
	text_add(&t, slice_of(key));
	const struct slice add[] = { S("BITFIELD"), text_slice(&t), S("OVERFLOW"), S("SAT"),
		                         S("INCRBY"),   S("u63"),       S("0"),        S("1") };
	const struct slice expire[] = { S("PEXPIRE"), text_slice(&t), S("60000") };
	const struct redis_command commands[] = { { add, 8 }, { expire, 3 } };
	const struct redis_ask ask = { .slot = redis_slot(text_slice(&t)),
		                           .commands = commands,
		                           .commands_len = 2,
		                           .on_done = on_done,
		                           .with = to };
	bool asked = redis_ask(real.redis, &ask) != 0;

	to->asked += asked;
	return asked;
}

void close_room(void)
{
	redis_close(real.redis);
	real.redis = NULL;
	if (real.loop) {
		loop_turn(real.loop, 0);
		loop_close(real.loop);
	}
	config_free(real.config);
	if (real.bundle)
		bundle_close(real.bundle);
	real.loop = NULL;
	real.config = NULL;
	real.bundle = NULL;
}

int set_up(void **state)
{
	(void)state;
	memset(&real, 0, sizeof real);
	snprintf(real.dir, sizeof real.dir, "/tmp/sallyport-redis.XXXXXX");
	return mkdtemp(real.dir) ? 0 : -1;
}

int tear_down(void **state)
{
	(void)state;
	close_room();
	for (size_t i = 0; i < real.len; i++)
		if (real.server[i].pid)
			stop(i, SIGKILL);
	nftw(real.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}
