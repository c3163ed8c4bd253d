/* From the command line to a running supervisor, and back. */
#include "admin/admin.h"
#include "base/log.h"
#include "base/path.h"
#include "keeper/keeper.h"
#include "statedir/statedir.h"
#include "supervisor/dry_run.h"
#include "supervisor/inside.h"
#include "worker/worker.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

enum { BAD_CONFIGURATION = 78 }; /* EX_CONFIG of sysexits.h */

static struct reload_plan plan_of(const struct run_options *o, struct dry_run *proof)
{
	return (struct reload_plan){ .path = o->config,
		                         .files = o->files,
		                         .files_len = o->files_len,
		                         .pin_file = RELOAD_PIN_FILE,
		                         .prove = dry_run,
		                         .with = proof,
		                         .hindered = &proof->hindered };
}

/* The first configuration: there is nothing to serve meanwhile, so its child is waited for. None: it is
 * refused, and *status the exit status. */
static struct bundle_sealed read_first(struct supervisor *s, int *status)
{
	char *text = NULL;
	struct bundle_sealed sealed = { -1, -1 };
	struct reload *r = reload_begin(&s->plan);

	*status = 1;
	if (!r) {
		log_error("no child can be forked to read the configuration: %s", strerror(errno));
		return sealed;
	}
	struct pollfd wait = { reload_fd(r), POLLIN, 0 };
	while (!reload_step(r, clock_ns(), &sealed, &text))
		poll(&wait, 1, 1000);
	if (sealed.all < 0 && !reload_was_hindered(r))
		*status = BAD_CONFIGURATION;
	reload_free(r);
	if (text)
		fputs(text, stderr);
	free(text);
	if (sealed.all < 0)
		log_error("the configuration %s is refused; nothing is started", s->plan.path);
	return sealed;
}

/* The admin socket's directory, /run/sallyport for instance, is gone after every boot. */
static void make_socket_directory(const struct config *c)
{
	char dir[4096];

	snprintf(dir, sizeof dir, "%.*s", SLICE(c->root.admin.socket));
	char *slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return;
	*slash = '\0';
	int fd = path_directory(dir, 0755, NULL);
	if (fd >= 0)
		close(fd);
	else
		log_warn("%s cannot be made: %s", dir, strerror(errno));
}

/* More than enough for a reload that wants twice as many workers. */
static unsigned slots_for(unsigned workers)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned slots = workers * 2;

	if (cores > 0 && (unsigned)cores > slots)
		slots = (unsigned)cores;
	return slots < 4 ? 4 : slots > SLOTS_MAX ? SLOTS_MAX : slots;
}

static bool open_status(struct supervisor *s, const struct config *c)
{
	struct sockaddr_storage at;
	socklen_t len;

	if (!c->root.status.address.len)
		return true;
	if (address_parse(c->root.status.address, &at, &len))
		s->status_fd = listener_bind(&at, len, true);
	if (s->status_fd < 0)
		log_error("status.address: %.*s cannot be bound: %s", SLICE(c->root.status.address), strerror(errno));
	return s->status_fd >= 0;
}

static bool open_places(struct supervisor *s, const struct generation *g)
{
	const struct config *c = g->config;
	const struct shared_sizes sizes = { slots_for(g->workers), c->root.log.ring, c->root.limiting.table_size,
		                                c->root.guard.places };
	char why[512];

	if (!account_find(&s->account, c->root.user, why, sizeof why)) {
		log_error("%s", why);
		return false;
	}
	make_socket_directory(c);
	s->admin_fd = admin_bind(c->root.admin.socket.at, why, sizeof why);
	if (s->admin_fd < 0) {
		log_error("%s", why);
		return false;
	}
	if (!open_status(s, c))
		return false;
	if (shared_open(&s->shared, &sizes))
		return true;
	log_error("the shared memory cannot be made: %s", strerror(errno));
	return false;
}

static struct siphash_key key_of(const struct siphash_key half[static 2], struct slice purpose)
{
	return (struct siphash_key){ siphash(half[0], purpose), siphash(half[1], purpose) };
}

/* The machine's secret goes into a memory file that only the keeper reads. False: said to the log. */
static bool open_machine(struct supervisor *s, struct siphash_key *log_key, struct siphash_key *guard_key)
{
	unsigned char secret[MACHINE_SECRET];
	struct siphash_key half[2];
	char why[512];
	bool kept = machine_secret(secret, why, sizeof why);

	if (!kept)
		log_warn("%s", why);
	s->machine_fd = machine_secret_seal(secret);
	if (s->machine_fd < 0)
		log_error("the machine's secret cannot be put into a memory file: %s", strerror(errno));
	memcpy(half, secret, sizeof half);
	*log_key = key_of(half, S("sallyport access log subject"));
	*guard_key = key_of(half, S("sallyport guard keys"));
	secret_wipe(secret, sizeof secret);
	secret_wipe(half, sizeof half);
	s->floor_fd = kept ? machine_floor() : -1;
	if (kept && s->floor_fd < 0)
		log_warn("machine.floor cannot be opened beside the machine's secret: %s; "
		         "an older state directory put back may not be noticed",
		         strerror(errno));
	return s->machine_fd >= 0;
}

static int run(struct supervisor *s, struct generation *g)
{
	const struct config_redis *redis = g->config->root.redis;

	log_threshold((enum log_level)g->config->root.log.level);
	if (redis && !redis->keeper.user.at)
		log_warn("redis.keeper is missing: "
		         "workers can write what the fleet believes of keys and revocations");
	if (!open_places(s, g))
		return 1;
	struct siphash_key log_key, guard_key;
	if (!open_machine(s, &log_key, &guard_key))
		return 1;
	if (s->account.uid != 0 && geteuid() == 0 && s->account.change)
		log_info("processes that meet the network run as %s", s->account.name);
	metrics_sit(SEAT_SUPERVISOR);
	s->children.bodies = (struct bodies){ worker_main, keeper_main, writer_main };
	s->children.post = (struct child_context){ .sockets = &s->sockets,
		                                       .generations = s->generations,
		                                       .account = &s->account,
		                                       .status_fd = s->status_fd,
		                                       .admin_fd = s->admin_fd,
		                                       .floor_fd = s->floor_fd,
		                                       .machine_fd = s->machine_fd,
		                                       .log_key = log_key,
		                                       .guard_key = guard_key,
		                                       .config_path = s->options->config,
		                                       .started_by = getuid() };
	if (!confine_supervisor())
		log_warn("the supervisor keeps rights that it does not need: %s", strerror(errno));
	int status = supervisor_run(s, g);
	if (status == 0)
		admin_unbind(s->admin_path);
	return status;
}

int process_run(const struct run_options *o)
{
	struct supervisor *s = calloc(1, sizeof *s);
	struct dry_run proof = { .bind = true, .alone = true };
	char *text = NULL;
	int status = 1;

	if (!s)
		return 1;
	log_role("");
	log_times();
	s->options = o;
	s->plan = plan_of(o, &proof);
	s->admin_fd = s->status_fd = s->floor_fd = s->machine_fd = s->signals = -1;
	confine_raise_descriptors();
	struct bundle_sealed sealed = read_first(s, &status);
	proof.alone = false; /* from now on the addresses are ours */
	if (sealed.all < 0) {
		free(s);
		return status;
	}
	struct generation *g = generation_open(s, sealed, &text);
	if (text)
		fputs(text, stderr);
	free(text);
	if (g && supervisor_signals(s)) {
		s->admin_path = g->config->root.admin.socket.at ? strdup(g->config->root.admin.socket.at) : NULL;
		status = run(s, g);
		shared_close(&s->shared);
	}
	if (status != 0)
		s->children.now = NULL;
	generations_sweep(s);
	if (s->admin_fd >= 0)
		close(s->admin_fd);
	if (s->status_fd >= 0)
		close(s->status_fd);
	if (s->floor_fd >= 0)
		close(s->floor_fd);
	if (s->machine_fd >= 0)
		close(s->machine_fd);
	free(s->admin_path);
	free(s);
	return status;
}
