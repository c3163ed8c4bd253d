/* Maps tables as memory files. */
#include "shared/memory_map.h"
#include "base/check.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t pages(size_t len)
{
	return (len + MAP_PAGE - 1) / MAP_PAGE * MAP_PAGE;
}

/* A memory file that can neither shrink nor grow, so that no process can take pages from under another. */
static int memory_file(const char *name, size_t len)
{
	char whole[64];

	snprintf(whole, sizeof whole, "sallyport %s", name);
	int fd = memfd_create(whole, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -1;
	if (ftruncate(fd, (off_t)len) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0)
		return fd;
	int why = errno;
	close(fd);
	errno = why;
	return -1;
}

static bool map_file(int fd, char *at, size_t len, int rights)
{
	return mmap(at, len, rights, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED;
}

/* A second descriptor of the same file that was opened for reading. */
static int reader_of(int fd)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* read_only: NULL where nobody needs it. */
static bool make(const char *name, char *at, size_t len, int *read_only)
{
	int fd = memory_file(name, len);

	if (fd < 0)
		return false;
	bool ok = map_file(fd, at, len, PROT_READ | PROT_WRITE);
	if (ok && read_only) {
		*read_only = reader_of(fd);
		ok = *read_only >= 0;
	}
	int why = errno;
	close(fd);
	errno = why;
	return ok;
}

static bool add_part(struct shared *s, const char *name, char *at, size_t len, unsigned writers,
                     unsigned readers)
{
	check(s->parts_len < PARTS_MAX);
	struct part *p = &s->part[s->parts_len++];
	*p = (struct part){ at, pages(len), writers, readers, -1 };
	return make(name, at, p->len, (readers & ~writers) ? &p->read_only : NULL);
}

/* The head is a file of its own: within one file, what is mapped can be moved to another place of it. */
static bool add_table(struct shared *s, const struct map_row *r, char *at)
{
	char name[48];

	check(r->head % MAP_PAGE == 0 && r->head < r->len);
	snprintf(name, sizeof name, "%s head", r->name);
	return (r->head == 0 || add_part(s, name, at, r->head, 0, r->readers)) &&
	       add_part(s, r->name, at + r->head, r->len - r->head, r->writers, r->readers);
}

static bool reserve(struct shared *s, size_t len)
{
	void *at = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return false;
	s->memory = at;
	s->memory_len = len;
	return true;
}

static void measure_seat(struct shared *s, const size_t seat[static SEAT_PARTS])
{
	s->seat_len = 0;
	for (size_t i = 0; i < SEAT_PARTS; i++) {
		s->seat_at[i] = s->seat_len;
		s->seat_len += pages(seat[i]);
	}
	s->seat_stride = s->seat_len + MAP_PAGE;
}

bool map_all(struct shared *s, const struct map_row *row, size_t rows, const size_t seat[static SEAT_PARTS],
             char **place)
{
	size_t len = MAP_PAGE;

	measure_seat(s, seat);
	for (size_t i = 0; i < rows; i++)
		len += pages(row[i].len) + MAP_PAGE;
	if (!reserve(s, len + s->seats_len * s->seat_stride))
		return false;
	char *at = s->memory + MAP_PAGE;
	for (size_t i = 0; i < rows; i++) {
		place[i] = at;
		if (!add_table(s, &row[i], at))
			return false;
		at += pages(row[i].len) + MAP_PAGE;
	}
	s->first_seat = at;
	for (unsigned i = 0; i < s->seats_len; i++, at += s->seat_stride)
		if (!make("seat", at, s->seat_len, NULL))
			return false;
	return true;
}

/* Its addresses stay reserved, and nothing can be had there. */
static bool forget(char *at, size_t len)
{
	int how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;

	return mmap(at, len, PROT_NONE, how, -1, 0) != MAP_FAILED;
}

static bool narrow_part(const struct part *p, unsigned role)
{
	if (p->writers & role)
		return true;
	return p->readers & role ? map_file(p->read_only, p->at, p->len, PROT_READ) : forget(p->at, p->len);
}

static void close_readers(struct shared *s)
{
	for (unsigned i = 0; i < s->parts_len; i++) {
		if (s->part[i].read_only >= 0)
			close(s->part[i].read_only);
		s->part[i].read_only = -1;
	}
}

bool map_narrow(struct shared *s, unsigned role, unsigned seat)
{
	bool ok = true;

	for (unsigned i = 0; ok && i < s->parts_len; i++)
		ok = narrow_part(&s->part[i], role);
	for (unsigned i = 0; ok && seat != MAP_EVERY_SEAT && i < s->seats_len; i++)
		if (i != seat)
			ok = forget(s->first_seat + i * s->seat_stride, s->seat_len);
	int why = errno;
	close_readers(s);
	errno = why;
	return ok;
}

void map_end(struct shared *s)
{
	close_readers(s);
	if (s->memory)
		munmap(s->memory, s->memory_len);
	s->memory = NULL;
	s->parts_len = 0;
}
