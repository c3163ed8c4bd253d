/* Keeps a bundle in one sealed memory file. */
#include "config/bundle_memory.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define SIZE_LIMIT ((size_t)256 << 20) /* what a recording may hold, with ample room for heads */

static const char magic[16] = "sallyport conf1";

struct head {
	uint32_t kind, name_len;
	uint64_t bytes_len;
};

static bool put(int fd, const void *from, size_t len)
{
	const char *at = from;

	while (len) {
		ssize_t n = write(fd, at, len);
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return true;
}

static size_t padding(size_t len)
{
	return (8 - len % 8) % 8;
}

static bool put_piece(int fd, const struct bundle_piece *p)
{
	static const char zeros[8];
	struct head h = { (uint32_t)p->kind, (uint32_t)p->name.len, p->bytes.len };

	return put(fd, &h, sizeof h) && put(fd, p->name.at, p->name.len) && put(fd, zeros, 1) &&
	       put(fd, p->bytes.at, p->bytes.len) && put(fd, zeros, 1) &&
	       put(fd, zeros, padding(p->name.len + p->bytes.len + 2));
}

int bundle_memory_seal(const struct bundle_piece *pieces, size_t len)
{
	int fd = memfd_create("sallyport-configuration", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	bool good = fd >= 0 && put(fd, magic, sizeof magic);

	for (size_t i = 0; good && i < len; i++)
		good = put_piece(fd, &pieces[i]);
	if (good && fcntl(fd, F_ADD_SEALS, SEALS) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

bool bundle_memory_map(int fd, struct slice *mapped)
{
	struct stat about;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &about) || about.st_size < (off_t)sizeof magic ||
	    (uint64_t)about.st_size > SIZE_LIMIT)
		return false;
	size_t len = (size_t)about.st_size;
	void *at = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		return false;
	madvise(at, len, MADV_DONTDUMP); /* keys are in it */
	*mapped = (struct slice){ at, len };
	if (memcmp(at, magic, sizeof magic) == 0)
		return true;
	bundle_memory_unmap(*mapped);
	return false;
}

void bundle_memory_unmap(struct slice mapped)
{
	if (mapped.at)
		munmap((void *)(uintptr_t)mapped.at, mapped.len);
}

bool bundle_memory_next(struct slice mapped, size_t *at, struct bundle_piece *piece)
{
	struct head h;
	size_t start = *at ? *at : sizeof magic;
	size_t left = mapped.len - start;

	*at = start;
	if (left < sizeof h)
		return false;
	memcpy(&h, mapped.at + start, sizeof h);
	left -= sizeof h;
	if (h.kind >= BUNDLE_KINDS || h.name_len > left || h.bytes_len > left - h.name_len ||
	    left - h.name_len - h.bytes_len < 2 + padding(h.name_len + h.bytes_len + 2))
		return false;
	const char *name = mapped.at + start + sizeof h, *bytes = name + h.name_len + 1;
	if (name[h.name_len] || bytes[h.bytes_len])
		return false;
	*piece =
	    (struct bundle_piece){ (enum bundle_kind)h.kind, { name, h.name_len }, { bytes, h.bytes_len }, 0 };
	*at = start + sizeof h + h.name_len + h.bytes_len + 2 + padding(h.name_len + h.bytes_len + 2);
	return true;
}
