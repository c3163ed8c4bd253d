#include "verify/snapshot.h"
#include "base/log.h"
#include "base/text.h"
#include "verify/strict.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK "sallyport-keys-1 "
#define FILE_MAX (2 * KEYSET_BYTES_MAX)
#define FUTURE_S 300 /* a clock may have been that wrong */

struct snapshots {
	char directory[3072];
	unsigned char key[SHA256_LEN];
	json_t *newest; /* name: seconds */
};

static bool path_of(const struct snapshots *s, struct slice name, const char *end, char *to, size_t cap)
{
	struct text t = { .at = to, .cap = cap };

	text_add(&t, slice_of(s->directory));
	text_char(&t, '/');
	text_add(&t, name);
	text_add(&t, slice_of(end));
	return text_end(&t);
}

static bool sign(const struct snapshots *s, struct slice body, char hex[2 * SHA256_LEN])
{
	unsigned char mac[SHA256_LEN];
	struct text t = { .at = hex, .cap = 2 * SHA256_LEN };

	if (!crypt_hmac((struct slice){ (const char *)s->key, sizeof s->key }, body, mac))
		return false;
	text_hex(&t, mac, sizeof mac);
	return true;
}

static bool write_all(int fd, struct slice bytes)
{
	while (bytes.len) {
		ssize_t n = write(fd, bytes.at, bytes.len);
		if (n <= 0)
			return false;
		bytes = slice_from(bytes, (size_t)n);
	}
	return true;
}

static void sync_directory(const struct snapshots *s)
{
	int fd = open(s->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
}

/* False: errno says why. */
static bool replace(const struct snapshots *s, struct slice name, const char *end, struct slice body)
{
	char path[4096], fresh[4096], hex[2 * SHA256_LEN + 1];

	if (!path_of(s, name, end, path, sizeof path) || !path_of(s, name, ".new", fresh, sizeof fresh) ||
	    !sign(s, body, hex)) {
		errno = ENAMETOOLONG;
		return false;
	}
	hex[2 * SHA256_LEN] = '\n';
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return false;
	bool written = write_all(fd, S(MARK)) && write_all(fd, (struct slice){ hex, sizeof hex }) &&
	               write_all(fd, body) && fsync(fd) == 0;
	close(fd);
	if (!written || rename(fresh, path) != 0)
		return false;
	sync_directory(s);
	return true;
}

/* The whole file, NUL behind it, to be freed; NULL where it is missing (errno ENOENT) or refused. */
static char *read_file(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char *bytes = fd >= 0 ? malloc(FILE_MAX) : NULL;
	ssize_t n;

	*len = 0;
	while (bytes && *len < FILE_MAX && (n = read(fd, bytes + *len, FILE_MAX - *len)) > 0)
		*len += (size_t)n;
	int saved = errno;
	if (fd >= 0)
		close(fd);
	errno = saved;
	return bytes;
}

/* The JSON of a file whose HMAC is right; NULL: there is none, or it is refused in the log. */
static json_t *take(const struct snapshots *s, struct slice name, const char *end)
{
	char path[4096], hex[2 * SHA256_LEN];
	size_t len;

	if (!path_of(s, name, end, path, sizeof path))
		return NULL;
	char *bytes = read_file(path, &len);
	if (!bytes) {
		if (errno != ENOENT)
			log_warn("%s cannot be read: %s", path, strerror(errno));
		return NULL;
	}
	struct slice rest = { bytes, len }, first = slice_cut(&rest, '\n');
	json_t *root = NULL;
	if (slice_starts(first, S(MARK)) && sign(s, rest, hex) &&
	    secret_same(slice_from(first, strlen(MARK)), (struct slice){ hex, sizeof hex }))
		root = strict_read(rest);
	if (!root)
		log_warn("%s is ignored: it was not written by this machine's sallyport, or was changed since",
		         path);
	free(bytes);
	return root;
}

struct snapshots *snapshots_open(struct slice state, struct slice machine_secret)
{
	struct snapshots *s = calloc(1, sizeof *s);
	struct text t = { .at = s ? s->directory : NULL, .cap = s ? sizeof s->directory : 0 };

	text_add(&t, state);
	text_add(&t, S("/keys"));
	if (!state.len || !text_end(&t) || !crypt_derive(machine_secret, S("sallyport key snapshot 1"), s->key)) {
		log_warn("issuers' keys are not kept on disk: there is no state directory or no secret");
		snapshots_close(s);
		return NULL;
	}
	if (mkdir(s->directory, 0700) != 0 && errno != EEXIST) {
		log_warn("issuers' keys are not kept on disk: %s: %s", s->directory, strerror(errno));
		snapshots_close(s);
		return NULL;
	}
	s->newest = take(s, S("newest"), "");
	if (!json_is_object(s->newest)) {
		json_decref(s->newest);
		s->newest = json_object();
	}
	return s;
}

void snapshots_close(struct snapshots *s)
{
	if (!s)
		return;
	secret_wipe(s->key, sizeof s->key);
	json_decref(s->newest);
	free(s);
}

/* NULL, or why this one is not believed although we wrote it. */
static const char *judge(const struct snapshots *s, const struct config_issuer *issuer, const json_t *root,
                         uint64_t wall_s)
{
	json_int_t fetched = json_integer_value(json_object_get(root, "fetched"));
	json_int_t newest = json_integer_value(json_object_get(s->newest, issuer->id.at));

	if (!slice_same(strict_text(root, "name"), issuer->id) ||
	    !slice_same(strict_text(root, "issuer"), issuer->issuer) ||
	    !slice_same(strict_text(root, "source"), issuer->jwks))
		return "it is of another issuer";
	if (fetched <= 0 || (uint64_t)fetched > wall_s + FUTURE_S)
		return "it says to be from the future";
	if (fetched < newest)
		return "a newer one had been written";
	return NULL;
}

bool snapshots_load(struct snapshots *s, const struct config_issuer *issuer, uint64_t wall_s,
                    struct snapshot *to)
{
	const char *why;
	json_t *root = s ? take(s, issuer->id, ".json") : NULL;
	struct text t = TEXT(to->jwks_uri);

	if (!root)
		return false;
	why = judge(s, issuer, root, wall_s);
	char *text = why ? NULL : gather_text(json_object_get(root, "keys"));
	to->keys = text ? gather_keys(slice_of(text), &why) : NULL;
	to->fetched_wall_s = (uint64_t)json_integer_value(json_object_get(root, "fetched"));
	text_add(&t, strict_text(root, "jwks_uri"));
	if (!text_end(&t) || !gather_is_safe_url(text_slice(&t)))
		to->jwks_uri[0] = '\0';
	if (!to->keys)
		log_warn("the kept keys of issuer %.*s are ignored: %s", SLICE(issuer->id),
		         why ? why : "they cannot be read");
	free(text);
	json_decref(root);
	return to->keys;
}

static void remember_newest(struct snapshots *s, const struct config_issuer *issuer, uint64_t fetched_s)
{
	json_object_set_new(s->newest, issuer->id.at, json_integer((json_int_t)fetched_s));
	char *text = json_dumps(s->newest, JSON_COMPACT | JSON_SORT_KEYS);
	if (!text || !replace(s, S("newest"), "", slice_of(text)))
		log_warn("%s/newest cannot be written: %s", s->directory, strerror(errno));
	free(text);
}

void snapshots_save(struct snapshots *s, const struct config_issuer *issuer, const struct snapshot *from)
{
	if (!s)
		return;
	json_t *root = json_pack("{s:s%, s:s%, s:s%, s:s, s:I, s:O}",
	                         "name", issuer->id.at, issuer->id.len,
	                         "issuer", issuer->issuer.at, issuer->issuer.len,
	                         "source", issuer->jwks.len ? issuer->jwks.at : "", issuer->jwks.len,
	                         "jwks_uri", from->jwks_uri,
	                         "fetched", (json_int_t)from->fetched_wall_s, "keys", from->keys);
	char *text = root ? json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	if (!text || !replace(s, issuer->id, ".json", slice_of(text)))
		log_warn("the keys of issuer %.*s cannot be kept in %s: %s", SLICE(issuer->id), s->directory,
		         strerror(errno));
	else
		remember_newest(s, issuer, from->fetched_wall_s);
	free(text);
	json_decref(root);
}
