/* Paths: the normal form is its own normal form, and holds nothing that could be read twice. */
#include "base/way.h"
#include "request/headers.h"
#include "base/check.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void has_not(struct slice path, struct slice part)
{
	for (size_t i = 0; i + part.len <= path.len; i++)
		check(!slice_same_nocase((struct slice){ path.at + i, part.len }, part));
}

static void plain(struct slice path)
{
	check(path.len && path.at[0] == '/');
	for (size_t i = 0; i < path.len; i++)
		check(path.at[i] > 0x20 && path.at[i] < 0x7F);
	has_not(path, S("//"));
	has_not(path, S("/./"));
	has_not(path, S("/../"));
	has_not(path, S("%2f"));
	has_not(path, S("%5c"));
	has_not(path, S("%00"));
	has_not(path, S("%2e"));
	has_not(path, S("/..;"));
	has_not(path, S("/.;"));
	has_not(path, S("\\"));
	has_not(path, S("?"));
	has_not(path, S("#"));
	check(!slice_ends(path, S("/.")) && !slice_ends(path, S("/..")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice from = { (const char *)data, size };
	char *once = malloc(size + 1), *twice = malloc(size + 1);
	size_t once_len, twice_len;
	bool sound;

	check(once && twice);
	sound = path_normalise(from, once, &once_len);
	check(sound || !path_is_normal(from));
	if (sound) {
		struct slice path = { once, once_len };
		check(once_len <= size);
		plain(path);
		check(!path_is_normal(from) || slice_same(from, path));
		check(path_normalise(path, twice, &twice_len));
		check(slice_same(path, (struct slice){ twice, twice_len }));
	}
	bool slashes;
	size_t open_len;
	if (path_normalise_open(from, once, &open_len, &slashes)) {
		struct slice path = { once, open_len };
		char *way = malloc(3 * open_len + 1);
		check(way && (sound || slashes));
		for (int open = 0; open < 2; open++) {
			struct slice form = { way, way_write(path, open, way) };
			check(form.len <= 3 * open_len && form.at[0] == '/' && way_is(path, open, form, false));
			has_not(form, S("//"));
			has_not(form, S(";"));
			has_not(form, S("%3B"));
			has_not(form, S("/./"));
			has_not(form, S("/../"));
			check(!path_is_normal(from) || slice_same(form, path));
		}
		free(way);
	} else {
		check(!sound);
	}
	free(once);
	free(twice);
	return 0;
}
