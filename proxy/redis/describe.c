/* What is known of the servers, for people who ask. */
#include "metrics/metrics.h"
#include "redis/inside.h"

static void describe_shard(const struct shard *s, struct text *t)
{
	static const char *const states[] = {
		[REDIS_DOWN] = "down", [REDIS_SETTLING] = "settling", [REDIS_UP] = "up"
	};

	text_add(t, S("{\"server\":\""));
	text_json(t, slice_of(s->name));
	text_printf(t, "\",\"state\":\"%s\",\"used_by\":%llu,\"unused_by\":%llu,\"reason\":", states[s->state],
	            (unsigned long long)metrics_value(s->series_up),
	            (unsigned long long)metrics_value(s->series_down));
	if (s->state == REDIS_DOWN)
		text_printf(t, "\"%s\"}", s->told_len ? s->told[s->told_len - 1] : "connecting");
	else
		text_add(t, S("null}"));
}

void redis_describe(const struct redis *r, struct text *t)
{
	bool first = true;

	text_printf(t, "\"mode\":\"%.*s\",\"servers\":[", SLICE(redis_mode_words[r->config->mode]));
	for (unsigned i = 0; i < r->shards_len; i++) {
		if (!r->shards[i].used)
			continue;
		if (!first)
			text_char(t, ',');
		first = false;
		describe_shard(&r->shards[i], t);
	}
	text_char(t, ']');
}
