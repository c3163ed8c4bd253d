/* gcra_lua SOCKET RATE_PER_S BURST OFFERED_PER_S SECONDS -- what others do: one Lua script per request, a
 * GCRA by Redis's own clock. Asks at a steady pace on one connection and prints: asked admitted seconds */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char script[] = "local now = redis.call('TIME') "
                             "now = now[1] * 1000000 + now[2] "
                             "local period, burst = tonumber(ARGV[1]), tonumber(ARGV[2]) "
                             "local tat = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + period "
                             "if tat - now > burst * period then return 0 end "
                             "redis.call('SET', KEYS[1], string.format('%.0f', tat), "
                             "'PX', math.ceil(2 * burst * period / 1000) + 2000) "
                             "return 1";

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void sleep_until(double when)
{
	double left = when - now_s();

	if (left > 0)
		nanosleep(&(struct timespec){ (time_t)left, (long)((left - (double)(time_t)left) * 1e9) }, NULL);
}

int main(int argc, char **argv)
{
	redisContext *c = argc == 6 ? redisConnectUnix(argv[1]) : NULL;
	redisReply *loaded = c && !c->err ? redisCommand(c, "SCRIPT LOAD %s", script) : NULL;
	unsigned long asked = 0, admitted = 0;

	if (!loaded || loaded->type != REDIS_REPLY_STRING)
		return 1;
	double period_us = 1e6 / atof(argv[2]), offered = atof(argv[4]), seconds = atof(argv[5]), begin = now_s();
	for (double at = 0; at < seconds; at += 1 / offered, asked++) {
		sleep_until(begin + at);
		redisReply *r =
		    redisCommand(c, "EVALSHA %s 1 bench:lua:%s %f %s", loaded->str, argv[2], period_us, argv[3]);
		if (!r || r->type != REDIS_REPLY_INTEGER)
			return 1;
		admitted += r->integer == 1;
		freeReplyObject(r);
	}
	printf("%lu %lu %.3f\n", asked, admitted, now_s() - begin);
	freeReplyObject(loaded);
	redisFree(c);
	return 0;
}
