/* Collects all files that a configuration refers to. */
#include "config/bundle.h"
#include "base/check.h"
#include "base/siphash.h"
#include "base/text.h"
#include "config/bundle_memory.h"
#include "config/store.h"
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

struct bundle {
	struct store store; /* names and bytes, unless they lie in the mapping */
	struct bundle_piece *pieces;
	size_t len, cap;
	size_t total;        /* bytes */
	bool disk;           /* what it does not hold is read */
	struct slice mapped; /* the sealed memory file; at NULL where recorded */
	struct slice where;  /* directory by which relative paths are made absolute */
	char why[128];
};

static const struct bundle_piece *find(const struct bundle *b, enum bundle_kind kind, struct slice name)
{
	uint64_t hash = siphash((struct siphash_key){ 0, kind }, name);

	for (size_t i = b->len; i-- > 0;) /* the newest wins */
		if (b->pieces[i].hash == hash && b->pieces[i].kind == kind && slice_same(b->pieces[i].name, name))
			return &b->pieces[i];
	return NULL;
}

/* Bytes that still fit. */
static size_t room(const struct bundle *b)
{
	return b->total < BUNDLE_TOTAL_MAX ? BUNDLE_TOTAL_MAX - b->total : 0;
}

/* Takes name and bytes as they are: they lie in the store or in the mapping. */
static void keep(struct bundle *b, enum bundle_kind kind, struct slice name, struct slice bytes)
{
	if (b->len == b->cap) {
		b->cap = b->cap ? 2 * b->cap : 64;
		b->pieces = realloc(b->pieces, b->cap * sizeof *b->pieces);
		check(b->pieces);
	}
	b->pieces[b->len++] =
	    (struct bundle_piece){ kind, name, bytes, siphash((struct siphash_key){ 0, kind }, name) };
	b->total += name.len + bytes.len;
}

static struct bundle *make(bool disk, const char *where)
{
	struct bundle *b = calloc(1, sizeof *b);

	check(b);
	b->disk = disk;
	b->where = store_copy(&b->store, slice_of(where));
	keep(b, BUNDLE_WHERE, S(""), b->where);
	return b;
}

struct bundle *bundle_record(void)
{
	char here[PATH_MAX];

	return make(true, getcwd(here, sizeof here) && here[0] == '/' ? here : "/");
}

struct bundle *bundle_empty(void)
{
	return make(false, "/");
}

struct bundle *bundle_open(int fd)
{
	struct bundle *b = calloc(1, sizeof *b);
	struct bundle_piece piece;
	size_t at = 0;

	check(b);
	if (!bundle_memory_map(fd, &b->mapped)) {
		free(b);
		return NULL;
	}
	while (bundle_memory_next(b->mapped, &at, &piece)) {
		keep(b, piece.kind, piece.name, piece.bytes);
		if (piece.kind == BUNDLE_WHERE)
			b->where = piece.bytes;
	}
	if (at != b->mapped.len || !b->where.len) {
		bundle_close(b);
		return NULL;
	}
	return b;
}

void bundle_close(struct bundle *b)
{
	if (!b)
		return;
	bundle_memory_unmap(b->mapped);
	store_free(&b->store);
	free(b->pieces);
	free(b);
}

int bundle_seal(const struct bundle *b)
{
	return bundle_memory_seal(b->pieces, b->len);
}

size_t bundle_pieces(const struct bundle *b, const struct bundle_piece **pieces)
{
	*pieces = b->pieces;
	return b->len;
}

void bundle_put_key(struct bundle *b, struct slice purpose, struct slice key)
{
	keep(b, BUNDLE_KEY, store_copy(&b->store, purpose), store_copy(&b->store, key));
}

bool bundle_next(const struct bundle *b, enum bundle_kind kind, size_t *at, struct slice *name,
                 struct slice *bytes)
{
	while (*at < b->len) {
		const struct bundle_piece *p = &b->pieces[(*at)++];
		if (p->kind != kind)
			continue;
		*name = p->name;
		*bytes = p->bytes;
		return true;
	}
	return false;
}

bool bundle_next_variable(const struct bundle *b, size_t *at, struct slice *name)
{
	struct slice value;

	return bundle_next(b, BUNDLE_ENV, at, name, &value);
}

struct slice bundle_absolute(const struct bundle *b, struct slice path, char to[static PATH_MAX])
{
	struct text t = { .at = to, .cap = PATH_MAX };
	struct slice rest = path;

	if (path.len == 0 || path.at[0] != '/') {
		struct slice where = slice_same(b->where, S("/")) ? S("") : b->where;
		text_add(&t, where);
	}
	while (rest.len) {
		struct slice part = slice_cut(&rest, '/');
		if (part.len == 0 || slice_same(part, S(".")))
			continue;
		text_char(&t, '/');
		text_add(&t, part);
	}
	if (t.len == 0)
		text_char(&t, '/');
	return text_end(&t) ? text_slice(&t) : (struct slice){ to, 0 };
}

static bool fail(struct bundle *b, const char **why, int error)
{
	switch (error) {
	case ENOENT:
		*why = "no such file";
		break;
	case EACCES:
		*why = "permission denied";
		break;
	case EISDIR:
		*why = "it is a directory";
		break;
	case ENOTDIR:
		*why = "a part of the path is no directory";
		break;
	case EFBIG:
		*why = "it is larger than 4 MiB";
		break;
	case ENOMEM:
		*why = "all files together are larger than 64 MiB";
		break;
	case EINVAL:
		*why = "it is not a regular file";
		break;
	case EAGAIN:
		*why = "it changed while it was read";
		break;
	default:
		snprintf(b->why, sizeof b->why, "%s", strerror(error));
		*why = b->why;
	}
	return false;
}

static struct bundle_stamp stamp_of(const struct stat *s)
{
	return (struct bundle_stamp){
		.device = s->st_dev,
		.inode = s->st_ino,
		.size = (uint64_t)s->st_size,
		.modified_ns = (uint64_t)s->st_mtim.tv_sec * 1000000000u + (uint64_t)s->st_mtim.tv_nsec,
		.changed_ns = (uint64_t)s->st_ctim.tv_sec * 1000000000u + (uint64_t)s->st_ctim.tv_nsec,
		.owner = s->st_uid,
		.mode = s->st_mode
	};
}

/* Reads all of it; 0, or what errno would be. */
static int slurp(struct bundle *b, int fd, struct slice *bytes, struct bundle_stamp *stamp)
{
	struct stat about;
	size_t len = 0;

	if (fstat(fd, &about))
		return errno;
	*stamp = stamp_of(&about);
	if (!S_ISREG(about.st_mode))
		return S_ISDIR(about.st_mode) ? EISDIR : EINVAL;
	if ((uint64_t)about.st_size > BUNDLE_FILE_MAX)
		return EFBIG;
	size_t size = (size_t)about.st_size;
	if (size > room(b))
		return ENOMEM;
	char *to = store_take(&b->store, size + 1);
	while (len <= size) { /* one byte more than there should be, to see the end */
		ssize_t n = read(fd, to + len, size + 1 - len);
		if (n < 0 && errno != EINTR)
			return errno;
		if (n == 0)
			break;
		len += n > 0 ? (size_t)n : 0;
	}
	if (len != size)
		return EAGAIN;
	*bytes = (struct slice){ to, len };
	return 0;
}

bool bundle_is_exposed(const struct bundle *b, const char *path)
{
	struct stat about;

	return b->disk && stat(path, &about) == 0 && (about.st_mode & S_IROTH);
}

static int read_disk(struct bundle *b, struct slice path, struct slice *bytes)
{
	int fd = open(path.at, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return errno;
	if (path.len > room(b)) {
		close(fd);
		return ENOMEM;
	}
	struct bundle_stamp stamp;
	int error = slurp(b, fd, bytes, &stamp);
	close(fd);
	if (!error)
		keep(b, BUNDLE_STAMP, store_copy(&b->store, path),
		     store_copy(&b->store, (struct slice){ (const char *)&stamp, sizeof stamp }));
	return error;
}

bool bundle_file(struct bundle *b, const char *path, struct slice *bytes, const char **why)
{
	char absolute[PATH_MAX];
	struct slice name = bundle_absolute(b, slice_of(path), absolute);

	if (name.len == 0 || path[0] == '\0')
		return fail(b, why, name.len ? ENOENT : ENAMETOOLONG);
	const struct bundle_piece *piece = find(b, BUNDLE_FILE, name);
	if (piece) {
		*bytes = piece->bytes;
		return true;
	}
	int error = b->disk ? read_disk(b, name, bytes) : ENOENT;
	if (error)
		return fail(b, why, error);
	keep(b, BUNDLE_FILE, store_copy(&b->store, name), *bytes);
	return true;
}

void bundle_put(struct bundle *b, const char *path, struct slice bytes)
{
	char absolute[PATH_MAX];
	struct slice name = bundle_absolute(b, slice_of(path), absolute);

	check(name.len && bytes.len <= BUNDLE_FILE_MAX && name.len + bytes.len <= room(b));
	keep(b, BUNDLE_FILE, store_copy(&b->store, name), store_copy(&b->store, bytes));
}

/* ---- what may change while the text stays ---- */

bool bundle_stamp(const struct bundle *b, struct slice path, struct bundle_stamp *to)
{
	const struct bundle_piece *piece = find(b, BUNDLE_STAMP, path);

	if (!piece || piece->bytes.len != sizeof *to)
		return false;
	memcpy(to, piece->bytes.at, sizeof *to);
	return true;
}

bool bundle_stamp_now(const char *path, struct bundle_stamp *to)
{
	struct stat about;

	if (stat(path, &about) != 0)
		return false;
	*to = stamp_of(&about);
	return true;
}

bool bundle_holds(const struct bundle *b, struct slice path, struct slice *bytes)
{
	const struct bundle_piece *piece = find(b, BUNDLE_FILE, path);

	if (piece)
		*bytes = piece->bytes;
	return piece != NULL;
}

void bundle_mark_text(struct bundle *b, const char *path)
{
	char absolute[PATH_MAX];
	struct slice name = bundle_absolute(b, slice_of(path), absolute);

	if (name.len && !find(b, BUNDLE_TEXT, name))
		keep(b, BUNDLE_TEXT, store_copy(&b->store, name), S(""));
}

void bundle_keep_text(struct bundle *b, const struct bundle *from)
{
	for (size_t i = 0; i < from->len; i++) {
		const struct bundle_piece *p = &from->pieces[i];
		bool text = find(from, BUNDLE_TEXT, p->name) != NULL;
		if (p->kind != BUNDLE_ENV && p->kind != BUNDLE_GLOB && !text)
			continue;
		keep(b, p->kind, store_copy(&b->store, p->name), store_copy(&b->store, p->bytes));
	}
}

bool bundle_material(const struct bundle *b, size_t *at, struct slice *path, struct slice *bytes)
{
	while (*at < b->len) {
		const struct bundle_piece *p = &b->pieces[(*at)++];
		if (p->kind != BUNDLE_STAMP || find(b, BUNDLE_TEXT, p->name) || !bundle_holds(b, p->name, bytes))
			continue;
		*path = p->name;
		return true;
	}
	return false;
}

bool bundle_env(struct bundle *b, const char *name, struct slice *value)
{
	const struct bundle_piece *piece = find(b, BUNDLE_ENV, slice_of(name));

	if (piece) {
		*value = piece->bytes;
		return true;
	}
	const char *found = b->disk ? getenv(name) : NULL;
	if (!found || strlen(found) > BUNDLE_FILE_MAX || strlen(found) + strlen(name) > room(b))
		return false;
	*value = store_copy(&b->store, slice_of(found));
	keep(b, BUNDLE_ENV, store_copy(&b->store, slice_of(name)), *value);
	return true;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct slice join(struct store *s, char **paths, size_t len)
{
	size_t size = 0;

	qsort(paths, len, sizeof *paths, by_name);
	for (size_t i = 0; i < len; i++)
		size += strlen(paths[i]) + 1;
	char *all = store_take(s, size), *to = all;
	for (size_t i = 0; i < len; i++) {
		memcpy(to, paths[i], strlen(paths[i]) + 1);
		to += strlen(paths[i]) + 1;
	}
	return (struct slice){ all, size };
}

/* What was put matches as a file on disk would; for bundles that have no disk. */
static struct slice match_put(struct bundle *b, const char *pattern)
{
	char absolute[PATH_MAX];
	struct slice whole = bundle_absolute(b, slice_of(pattern), absolute);
	char **paths = store_take(&b->store, b->len * sizeof *paths);
	size_t len = 0;

	for (size_t i = 0; whole.len && i < b->len; i++)
		if (b->pieces[i].kind == BUNDLE_FILE && find(b, BUNDLE_FILE, b->pieces[i].name) == &b->pieces[i] &&
		    fnmatch(whole.at, b->pieces[i].name.at, FNM_PATHNAME | FNM_PERIOD) == 0)
			paths[len++] = (char *)(uintptr_t)b->pieces[i].name.at; /* only read from here on */
	return join(&b->store, paths, len);
}

static bool match_disk(struct bundle *b, const char *pattern, struct slice *paths, const char **why)
{
	glob_t found = { 0 };
	int result = glob(pattern, GLOB_ERR | GLOB_NOSORT, NULL, &found);

	if (result && result != GLOB_NOMATCH) {
		globfree(&found);
		*why = result == GLOB_ABORTED ? "a directory of it cannot be read" : "out of memory";
		return false;
	}
	*paths = join(&b->store, found.gl_pathv, result ? 0 : found.gl_pathc);
	globfree(&found);
	return true;
}

bool bundle_glob(struct bundle *b, const char *pattern, struct slice *paths, const char **why)
{
	const struct bundle_piece *piece = find(b, BUNDLE_GLOB, slice_of(pattern));

	if (piece) {
		*paths = piece->bytes;
		return true;
	}
	if (strpbrk(pattern, "*?[") == NULL) {
		*paths = (struct slice){ pattern, strlen(pattern) + 1 };
		return true;
	}
	if (!b->disk)
		*paths = match_put(b, pattern);
	else if (!match_disk(b, pattern, paths, why))
		return false;
	if (paths->len + strlen(pattern) > room(b))
		return fail(b, why, ENOMEM);
	keep(b, BUNDLE_GLOB, store_copy(&b->store, slice_of(pattern)), *paths);
	return true;
}
