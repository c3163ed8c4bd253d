/* config_lines.c -- the configuration of a scene: YAML, with the addresses of what the scene stands up. */
#include "scene.h"
#include "base/check.h"

void config_begin(struct scene *s)
{
	s->config.len = (size_t)snprintf(s->config.text, sizeof s->config.text, "environment: dev\n");
}

/* What all machines of the scene's fleet know. */
static const char *secret_file(struct scene *s)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/secret", s->directory);
	FILE *to = fopen(path, "w");
	check(to && fputs("what all machines of this fleet know", to) >= 0 && fclose(to) == 0);
	return path;
}

/* What {name} stands for; false: for itself. */
static bool substitute(struct scene *s, struct slice name, struct text *to)
{
	const struct fake_upstream *u = upstream_find(s, name);

	if (u)
		text_printf(to, "\"unix:%s\"", u->socket);
	else if (slice_same(name, S("redis")))
		text_printf(to, "{servers: \"unix:%s\"", s->redis.socket);
	else if (slice_same(name, S("tls")))
		text_printf(to, "{certificates: [{chain: %s/server.pem, key: %s/server.key}]", s->directory,
		            s->directory);
	else if (slice_same(name, S("secret")))
		text_printf(to, "[\"${file:%s}\"]", secret_file(s));
	else if (slice_same(name, S("password")))
		text_printf(to, "\"${file:%s}\"", secret_file(s));
	else
		return false;
	if (slice_same(name, S("redis")) || slice_same(name, S("tls")))
		text_add(to, S("}"));
	return true;
}

void config_line(struct scene *s, struct slice line)
{
	struct text t = { s->config.text, s->config.len, sizeof s->config.text, false };

	line = slice_from(line, 4); /* the indentation of the scene */
	while (line.len) {
		text_add(&t, slice_cut(&line, '{'));
		if (!line.len)
			break;
		struct slice name = slice_head(line, slice_find(line, '}'));
		if (substitute(s, name, &t))
			line = slice_from(line, name.len + 1);
		else
			text_char(&t, '{');
	}
	text_char(&t, '\n');
	check(!t.cut);
	s->config.len = t.len;
}
