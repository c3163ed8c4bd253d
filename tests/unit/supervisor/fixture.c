/* fixture.c -- what fixture.h promises. */
#include "fixture.h"

void supervised_write(struct supervised *h, const char *more, unsigned workers, unsigned port, unsigned other)
{
	FILE *f = fopen(h->path, "w");

	assert_non_null(f);
	fprintf(f,
	        "environment: dev\nworkers: %u\nstate: %s\nadmin: {socket: %s/admin.sock}\n"
	        "drain: {delay: 100ms, timeout: 1s}\nlimiting: {table_size: 1024}\n%s\n"
	        "listeners:\n  - {address: \"127.0.0.1:%u\"}\n",
	        workers, h->dir, h->dir, more, port);
	if (other)
		fprintf(f, "  - {address: \"127.0.0.1:%u\"}\n", other);
	fprintf(f, "routes:\n  - {path: /*, deny: 403}\n");
	fclose(f);
}

static struct generation *read_first(struct supervisor *s)
{
	char *text = NULL;
	struct bundle_sealed sealed = { -1, -1 };
	struct reload *r = reload_begin(&s->plan);

	while (!reload_step(r, clock_ns(), &sealed, &text))
		usleep(1000);
	reload_free(r);
	if (text)
		fprintf(stderr, "%s", text);
	free(text);
	assert_true(sealed.all >= 0);
	struct generation *g = generation_open(s, sealed, &text);
	assert_non_null(g);
	return g;
}

static bool is_serving(struct supervised *h)
{
	return atomic_load(&h->s.shared.head->generation) == 1;
}

int supervised_open(void **state)
{
	struct supervised *h = calloc(1, sizeof *h);
	const struct shared_sizes sizes = { 4, 65536, 1024, 1024 };

	snprintf(h->dir, sizeof h->dir, "/tmp/crew-XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	snprintf(h->path, sizeof h->path, "%s/c.yaml", h->dir);
	snprintf(h->pin, sizeof h->pin, "%s/no-pin", h->dir);
	h->port = free_port();
	h->other = free_port();
	supervised_write(h, "", 2, h->port, 0);
	h->options.config = h->path;
	h->s.options = &h->options;
	h->s.plan = (struct reload_plan){ .path = h->path, .pin_file = h->pin };
	h->s.admin_fd = h->s.status_fd = -1;
	h->s.children.bodies = (struct bodies){ worker, keeper, writer };
	h->s.children.post = (struct child_context){ .sockets = &h->s.sockets, .account = &h->s.account };
	h->s.children.beat_ns = 50 * NS_PER_MS;
	assert_true(shared_open(&h->s.shared, &sizes));
	h->pid = fork();
	if (h->pid == 0) {
		log_threshold(LOG_LEVEL_ERROR + 1);
		struct generation *g = read_first(&h->s);
		assert_true(supervisor_signals(&h->s));
		_exit(supervisor_run(&h->s, g));
	}
	*state = h;
	assert_true(supervised_until(is_serving, h));
	return 0;
}

int supervised_close(void **state)
{
	struct supervised *h = *state;
	char path[128];

	if (h->pid > 0) {
		kill(h->pid, SIGTERM);
		kill(h->pid, SIGTERM);
		supervised_status(h);
	}
	shared_close(&h->s.shared);
	unlink(h->path);
	snprintf(path, sizeof path, "%s", h->dir);
	rmdir(path);
	free(h);
	return 0;
}
