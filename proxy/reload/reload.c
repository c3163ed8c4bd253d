/* Reads a configuration in a child process. */
#include "reload/reload.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "metrics/metrics.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEXT_MAX ((size_t)64 * 1024) /* of what is wrong with a configuration */

static char *line_of(const char *format, const char *what)
{
	char line[2048];
	int len = snprintf(line, sizeof line, format, what);

	return len < 0 ? NULL : strdup(line);
}

/* Errors first. */
static char *both(const char *errors, const char *warnings)
{
	char *text;

	return asprintf(&text, "%s%s", errors ? errors : "", warnings ? warnings : "") < 0 ? NULL : text;
}

static struct config *read_with(const struct reload_plan *plan, const struct bundle *in_force,
                                struct bundle **bundle, char **text)
{
	struct bundle *b = bundle_record();
	struct config_errors errors = { 0 };
	char said[2048];
	struct text why = TEXT(said);

	*text = NULL;
	*bundle = b;
	if (!b)
		return NULL;
	for (size_t i = 0; i < plan->files_len; i++)
		bundle_put(b, plan->files[i].path, plan->files[i].bytes);
	if (in_force)
		bundle_keep_text(b, in_force);
	struct config *c = config_load(b, plan->path, &errors);
	/* the pin before all else: another environment's files are not even looked at */
	bool ok = c && (plan->free_of_pin || reload_pin_allows(plan, c->root.environment, &why));
	if (c && !ok)
		*text = line_of("%s\n", text_end(&why) ? said : "the environment pin does not allow it");
	if (ok && plan->prove)
		ok = plan->prove(plan->with, c, b, &errors) && errors.count == 0;
	const char *warnings = plan->warn ? errors.warnings : NULL;
	if (!*text && (errors.count || warnings))
		*text = both(errors.count ? errors.text : NULL, warnings);
	config_errors_free(&errors);
	if (ok)
		return c;
	if (c)
		config_free(c);
	return NULL;
}

struct config *reload_here(const struct reload_plan *plan, struct bundle **bundle, char **text)
{
	return read_with(plan, NULL, bundle, text);
}

/* ---- the child ---- */

enum reload_verdict { REFUSED, TAKEN, HINDERED, SAME };

/* Names of the files whose bytes differ from those in force, to be freed; NULL: none does. */
static char *list_changed(const struct bundle *b, const struct bundle *in_force)
{
	char room[2048];
	struct text t = TEXT(room);
	struct slice path, bytes, before;

	for (size_t at = 0; bundle_material(b, &at, &path, &bytes);) {
		if (bundle_holds(in_force, path, &before) && slice_same(bytes, before))
			continue;
		text_add(&t, t.len ? S(", ") : S(""));
		text_add(&t, path);
	}
	if (!t.len)
		return NULL;
	if (!text_end(&t)) /* it is for a message */
		memcpy(room + sizeof room - 4, "...", 4);
	return strdup(room);
}

static void send_verdict(int to, const struct bundle_sealed *sealed, enum reload_verdict why,
                         const char *text)
{
	bool ok = sealed->all >= 0;
	char verdict = (char)(ok ? TAKEN : why);
	struct iovec one = { &verdict, 1 };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof *sealed)];
	} control = { 0 };
	struct msghdr m = { .msg_iov = &one, .msg_iovlen = 1 };

	if (ok) {
		m.msg_control = control.room;
		m.msg_controllen = sizeof control.room;
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof *sealed);
		memcpy(CMSG_DATA(c), sealed, sizeof *sealed);
	}
	if (sendmsg(to, &m, MSG_NOSIGNAL) != 1 || !text)
		return;
	size_t len = strlen(text);
	for (size_t at = 0; at < len && at < TEXT_MAX;) {
		ssize_t n = send(to, text + at, len - at, MSG_NOSIGNAL);
		if (n <= 0)
			return;
		at += (size_t)n;
	}
}

/* False: *text says why. */
static bool seal(struct bundle *b, const struct config *c, struct bundle_sealed *to, char **text)
{
	if (!fleet_keys_put(c, b)) {
		free(*text);
		*text = strdup("OpenSSL cannot derive keys of secrets.fleet\n");
		return false;
	}
	to->keeper = bundle_seal(b);
	to->all = to->keeper >= 0 ? bundle_seal_for_workers(b, c) : -1;
	if (to->all >= 0)
		return true;
	free(*text);
	*text = line_of("the configuration cannot be put into a memory file: %s\n", strerror(errno));
	bundle_sealed_close(to);
	return false;
}

_Noreturn static void be_child(const struct reload_plan *plan, int to)
{
	struct bundle *b = NULL, *in_force = plan->in_force ? bundle_open(*plan->in_force) : NULL;
	struct bundle_sealed sealed = { -1, -1 };
	struct config *c = NULL;
	char *text = NULL;
	bool same = false;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGTERM, SIG_DFL);
	log_role("configuration");
	metrics_leave();
	if (plan->in_force && !in_force)
		text = line_of("the memory file of the configuration cannot be read: %s\n", strerror(errno));
	else
		c = read_with(plan, in_force, &b, &text);
	if (c && in_force) {
		free(text);
		text = list_changed(b, in_force);
		same = !text;
	}
	if (c && !same)
		seal(b, c, &sealed, &text);
	bool hindered = c || (plan->in_force && !in_force) || (plan->hindered && *plan->hindered);
	send_verdict(to, &sealed, same ? SAME : hindered ? HINDERED : REFUSED, text);
	_exit(0); /* the parent's buffers and handlers are not ours to run */
}

/* ---- the parent ---- */

struct reload {
	pid_t pid;
	int fd, status;
	struct bundle_sealed sealed;
	bool said, ok, same, hindered, reaped;
	uint64_t until_ns;
	size_t len;
	char text[TEXT_MAX + 1];
};

struct reload *reload_begin(const struct reload_plan *plan)
{
	struct reload *r = calloc(1, sizeof *r);
	int pair[2];

	if (!r)
		return NULL;
	r->sealed = (struct bundle_sealed){ -1, -1 };
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		free(r);
		return NULL;
	}
	fflush(NULL);
	r->pid = fork();
	if (r->pid == 0) {
		close(pair[0]);
		be_child(plan, pair[1]);
	}
	int why = errno;
	close(pair[1]);
	r->fd = pair[0];
	r->until_ns = clock_ns() + RELOAD_PATIENCE_NS;
	if (r->pid > 0 && fcntl(r->fd, F_SETFL, O_NONBLOCK) == 0)
		return r;
	reload_free(r);
	errno = why;
	return NULL;
}

int reload_fd(const struct reload *r)
{
	return r->fd;
}

pid_t reload_pid(const struct reload *r)
{
	return r->pid;
}

void reload_reaped(struct reload *r, int status)
{
	r->reaped = true;
	r->status = status;
}

/* The first byte, with the descriptors where all is well. */
static ssize_t receive_verdict(struct reload *r)
{
	char verdict = REFUSED;
	struct iovec one = { &verdict, 1 };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof r->sealed)];
	} control;
	struct msghdr m = {
		.msg_iov = &one, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room
	};
	ssize_t n = recvmsg(r->fd, &m, MSG_CMSG_CLOEXEC);

	if (n <= 0)
		return n;
	r->said = true;
	r->ok = verdict == TAKEN;
	r->hindered = verdict == HINDERED;
	r->same = verdict == SAME;
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof r->sealed))
		memcpy(&r->sealed, CMSG_DATA(c), sizeof r->sealed);
	return n;
}

static ssize_t receive_text(struct reload *r)
{
	char rest[512];
	size_t room = TEXT_MAX - r->len;
	ssize_t n = room ? recv(r->fd, r->text + r->len, room, 0) : recv(r->fd, rest, sizeof rest, 0);

	if (room && n > 0)
		r->len += (size_t)n;
	return n;
}

/* Why there is no verdict. */
static char *log_death(const struct reload *r)
{
	char line[200];

	if (r->reaped && WIFSIGNALED(r->status))
		snprintf(line, sizeof line, "the child that reads the configuration died by signal %d (%s)\n",
		         WTERMSIG(r->status), strsignal(WTERMSIG(r->status)));
	else
		snprintf(line, sizeof line, "the child that reads the configuration ended without a verdict\n");
	return strdup(line);
}

static void conclude(struct reload *r, struct bundle_sealed *sealed, char **text)
{
	r->text[r->len] = '\0';
	*sealed = r->sealed;
	r->sealed = (struct bundle_sealed){ -1, -1 };
	*text = r->len ? strdup(r->text) : NULL;
	if (!r->said || (r->ok && sealed->all < 0)) {
		free(*text);
		*text = log_death(r);
		r->hindered = true;
	}
}

bool reload_step(struct reload *r, uint64_t now_ns, struct bundle_sealed *sealed, char **text)
{
	ssize_t n;

	do
		n = r->said ? receive_text(r) : receive_verdict(r);
	while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		if (now_ns < r->until_ns)
			return false;
		*sealed = (struct bundle_sealed){ -1, -1 };
		r->hindered = true;
		*text = strdup("reading the configuration took longer than a minute and was given up\n");
		return true;
	}
	conclude(r, sealed, text);
	return true;
}

bool reload_was_same(const struct reload *r)
{
	return r->same;
}

bool reload_was_hindered(const struct reload *r)
{
	return r->hindered;
}

void reload_free(struct reload *r)
{
	if (!r)
		return;
	if (r->pid > 0 && !r->reaped) {
		kill(r->pid, SIGKILL);
		waitpid(r->pid, NULL, 0);
	}
	bundle_sealed_close(&r->sealed);
	close(r->fd);
	free(r);
}
