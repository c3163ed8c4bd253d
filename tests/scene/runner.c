/* runner.c -- reads .scene files and plays them; README.md says what may stand in one. usage: FILE... */
#include "scene.h"
#include "base/check.h"
#include <stdlib.h>
#include <unistd.h>

/* Configuration lines are over. */
static void end_config(struct scene *s)
{
	s->in_config = false;
	if (s->reloads)
		machine_reload(s, s->refusal);
	s->reloads = false;
}

static void play_line(struct scene *s, struct slice line)
{
	struct slice rest = line, first = word(&rest);
	bool indented = line.len && (line.at[0] == ' ' || line.at[0] == '\t');

	if (!first.len || first.at[0] == '#')
		return;
	if (indented && s->in_config) {
		config_line(s, line);
		return;
	}
	if (s->in_config)
		end_config(s);
	if (slice_same(first, S("config")))
		s->in_config = true;
	else if (slice_same(first, S("scene")))
		return;
	else if (indented && !client_line(s, first, rest))
		request_line(s, slice_trim(line));
	else if (!indented && !world_line(s, first, rest) && !client_line(s, first, rest))
		scene_fail(s, "unknown word: %.*s", SLICE(first));
}

static void play(const char *file, const char *directory)
{
	static struct scene s;
	static char bytes[65536];
	FILE *in = fopen(file, "r");

	memset(&s, 0, sizeof s);
	s.file = file;
	s.issuer.up = true;
	s.machines_len = 1;
	snprintf(s.directory, sizeof s.directory, "%s/XXXXXX", directory);
	check(mkdtemp(s.directory)); /* nothing is left of the scene before */
	issuer_key(&s);
	snprintf(s.redis.socket, sizeof s.redis.socket, "%s/redis.sock", s.directory);
	s.redis.fd = -1;
	peers_init(s.redis.peers);
	config_begin(&s);
	if (!in)
		scene_fail(&s, "cannot be read");
	struct slice rest = { bytes, fread(bytes, 1, sizeof bytes, in) };
	fclose(in);
	while (rest.len) {
		s.line++;
		play_line(&s, slice_cut(&rest, '\n'));
	}
	if (s.in_config)
		end_config(&s);
	world_open(&s);
	world_close(&s);
	signer_free(s.issuer.signer);
}

int main(int argc, char **argv)
{
	char directory[] = "/tmp/scene-XXXXXX";

	check(mkdtemp(directory));
	for (int i = 1; i < argc; i++)
		play(argv[i], directory);
	printf("%d scenes played\n", argc - 1);
	fflush(stdout);
	execlp("rm", "rm", "-rf", directory, (char *)NULL);
	return 0;
}
