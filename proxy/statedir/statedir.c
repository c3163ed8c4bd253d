/* Writes and reads authenticated files. */
#include "statedir/statedir.h"
#include "base/log.h"
#include "base/path.h"
#include "base/secret.h"
#include "base/strict.h"
#include "base/text.h"
#include "metrics/metrics.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK "sallyport-keys-1 "

static bool path_of(const struct statedir *k, struct slice name, const char *end, char *to, size_t cap)
{
	struct text t = { .at = to, .cap = cap };

	text_add(&t, slice_of(k->directory));
	text_char(&t, '/');
	text_add(&t, name);
	text_add(&t, slice_of(end));
	return text_end(&t);
}

static bool is_signed(const struct statedir *k, struct slice body, struct slice signature)
{
	return crypt_is_signed(k->key, k->keys, body, signature);
}

/* ---- files ---- */

static void sync_directory(const struct statedir *k)
{
	int fd = open(k->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
}

bool statedir_write(struct statedir *k, struct slice name, const char *end, struct slice body)
{
	char path[4096], fresh[4096], hex[SIGNATURE_LEN + 1];

	if (!k || !path_of(k, name, end, path, sizeof path) || !path_of(k, name, ".new", fresh, sizeof fresh) ||
	    !crypt_sign(k->key[0], body, hex)) {
		errno = k ? ENAMETOOLONG : ENOENT;
		return false;
	}
	hex[SIGNATURE_LEN] = '\n';
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return false;
	bool written = path_write_all(fd, S(MARK)) && path_write_all(fd, (struct slice){ hex, sizeof hex }) &&
	               path_write_all(fd, body) && fsync(fd) == 0;
	close(fd);
	if (!written || rename(fresh, path) != 0)
		return false;
	sync_directory(k);
	return true;
}

/* The whole file, to be freed; NULL where it is missing (errno ENOENT) or cannot be read. */
static char *read_file(const char *path, size_t most, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char *bytes = fd >= 0 ? malloc(most) : NULL;
	ssize_t n;

	*len = 0;
	while (bytes && *len < most && (n = read(fd, bytes + *len, most - *len)) > 0)
		*len += (size_t)n;
	int saved = errno;
	if (fd >= 0)
		close(fd);
	errno = saved;
	return bytes;
}

json_t *statedir_read(struct statedir *k, struct slice name, const char *end, size_t most)
{
	char path[4096];
	size_t len;

	if (!k || !path_of(k, name, end, path, sizeof path))
		return NULL;
	char *bytes = read_file(path, most, &len);
	if (!bytes) {
		if (errno != ENOENT)
			log_warn("%s cannot be read: %s", path, strerror(errno));
		return NULL;
	}
	struct slice rest = { bytes, len }, first = slice_cut(&rest, '\n');
	json_t *root = NULL;
	if (slice_starts(first, S(MARK)) && is_signed(k, rest, slice_from(first, strlen(MARK))))
		root = strict_read(rest);
	if (!root) {
		log_warn("%s is ignored: it was not written by this machine's sallyport, or was changed since", path);
		statedir_refuse(k, STATEDIR_CHANGED);
	}
	free(bytes);
	return root;
}

void statedir_refuse(struct statedir *k, enum statedir_refusal why)
{
	metrics_add(k->refused[why], 1);
}

/* ---- opening ---- */

size_t statedir_keys(const CONFIG_SECRETS *secrets, size_t most, struct slice label,
                     unsigned char keys[][SHA256_LEN])
{
	size_t len = 0;

	for (size_t i = 0; i < secrets->len && i < most; i++) {
		struct slice secret = { (const char *)secrets->at[i].bytes, secrets->at[i].len };
		len += crypt_derive(secret, label, keys[len]);
	}
	return len;
}

static bool add_secrets(struct statedir *k, const struct config *c, struct slice machine_secret)
{
	const struct slice label = S("sallyport key snapshot 1");

	k->keys = statedir_keys(&c->root.secrets.fleet, STATEDIR_SECRETS - 1, label, k->key);
	if (machine_secret.len && crypt_derive(machine_secret, label, k->key[k->keys])) {
		k->keys++;
		if (!crypt_derive(machine_secret, S("sallyport floor 1"), k->counter_key))
			return false;
	}
	return k->keys > 0;
}

void statedir_series(uint32_t series[STATEDIR_REFUSALS], struct slice where)
{
	static const char *const reasons[STATEDIR_REFUSALS] = { "changed", "older", "future", "foreign",
		                                                    "expired" };

	for (int i = 0; i < STATEDIR_REFUSALS; i++)
		series[i] = metrics_series(METRIC_snapshots_refused_total, slice_of(reasons[i]), where, S(""), S(""));
}

struct statedir *statedir_open(const struct config *c, const struct counter_file *file,
                               struct slice machine_secret)
{
	struct statedir *k = calloc(1, sizeof *k);
	struct text t = { .at = k ? k->directory : NULL, .cap = k ? sizeof k->directory : 0 };

	text_add(&t, c->root.state);
	text_add(&t, S("/keys"));
	if (!c->root.state.len || !text_end(&t) || !add_secrets(k, c, machine_secret)) {
		log_warn("issuers' keys are not kept on disk: there is no state directory or no secret");
		statedir_close(k);
		return NULL;
	}
	if (mkdir(k->directory, 0700) != 0 && errno != EEXIST) {
		log_warn("issuers' keys are not kept on disk: %s: %s", k->directory, strerror(errno));
		statedir_close(k);
		return NULL;
	}
	statedir_series(k->refused, S("disk"));
	k->file = *file;
	counters_read(k);
	return k;
}

void statedir_close(struct statedir *k)
{
	if (!k)
		return;
	secret_wipe(k->key, sizeof k->key);
	secret_wipe(k->counter_key, sizeof k->counter_key);
	free(k);
}
