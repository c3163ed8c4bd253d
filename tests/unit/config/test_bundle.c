#include "loaded.h"
#include "config/bundle_memory.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static const char *path_of(const char *name)
{
	static char path[4][128];
	static unsigned turn;
	char *to = path[turn++ % 4];

	snprintf(to, sizeof path[0], "%s/%s", dir, name);
	return to;
}

static void write_file(const char *name, struct slice bytes)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes.at, bytes.len), (ssize_t)bytes.len);
	close(fd);
}

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/bundle-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state)
{
	static const char *const names[] = { "a.yaml", "b.yaml", "c.txt", "big", "pipe" };

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		unlink(path_of(names[i]));
	return rmdir(dir);
}

static void what_was_recorded_is_served_from_the_sealed_file_after_the_disk_has_changed(void **state)
{
	struct bundle *b = bundle_record();
	struct slice bytes, again, paths;
	const char *why = NULL;

	(void)state;
	write_file("a.yaml", S("one\0two"));
	write_file("b.yaml", S(""));
	setenv("BUNDLE_TEST", "a value", 1);
	assert_true(bundle_file(b, path_of("a.yaml"), &bytes, &why));
	assert_true(bundle_file(b, path_of("b.yaml"), &bytes, &why));
	assert_true(bundle_env(b, "BUNDLE_TEST", &bytes));
	assert_true(bundle_glob(b, path_of("*.yaml"), &paths, &why));
	int fd = bundle_seal(b);
	assert_true(fd >= 0);
	bundle_close(b);
	write_file("a.yaml", S("changed"));
	unlink(path_of("b.yaml"));
	unsetenv("BUNDLE_TEST");

	b = bundle_open(fd);
	assert_non_null(b);
	close(fd);
	assert_true(bundle_file(b, path_of("a.yaml"), &bytes, &why));
	assert_true(slice_same(bytes, S("one\0two")));
	assert_int_equal(bytes.at[bytes.len], 0);
	assert_true(bundle_file(b, path_of("b.yaml"), &bytes, &why));
	assert_int_equal(bytes.len, 0);
	assert_true(bundle_env(b, "BUNDLE_TEST", &bytes));
	assert_true(slice_same(bytes, S("a value")));
	assert_true(bundle_glob(b, path_of("*.yaml"), &again, &why));
	assert_string_equal(again.at, path_of("a.yaml"));
	assert_string_equal(again.at + strlen(again.at) + 1, path_of("b.yaml"));
	write_file("c.txt", S("there"));
	assert_false(bundle_file(b, path_of("c.txt"), &bytes, &why)); /* it is on the disk, not in the bundle */
	assert_false(bundle_env(b, "PATH", &bytes));
	bundle_close(b);
}

static void a_file_is_read_once_and_stays_as_it_was(void **state)
{
	struct bundle *b = bundle_record();
	struct slice first, second;
	const char *why = NULL;

	(void)state;
	write_file("a.yaml", S("before"));
	assert_true(bundle_file(b, path_of("a.yaml"), &first, &why));
	write_file("a.yaml", S("after!"));
	assert_true(bundle_file(b, path_of("a.yaml"), &second, &why));
	assert_true(slice_same(second, S("before")));
	bundle_close(b);
}

static void files_that_cannot_be_taken_are_named_with_the_reason(void **state)
{
	struct bundle *b = bundle_record();
	struct slice bytes;
	const char *why = NULL;

	(void)state;
	assert_false(bundle_file(b, path_of("nowhere"), &bytes, &why));
	assert_string_equal(why, "no such file");
	assert_false(bundle_file(b, dir, &bytes, &why));
	assert_string_equal(why, "it is a directory");
	assert_int_equal(mkfifo(path_of("pipe"), 0600), 0);
	assert_false(bundle_file(b, path_of("pipe"), &bytes, &why));
	assert_string_equal(why, "it is not a regular file");
	write_file("big", S(""));
	assert_int_equal(truncate(path_of("big"), (off_t)BUNDLE_FILE_MAX + 1), 0);
	assert_false(bundle_file(b, path_of("big"), &bytes, &why));
	assert_string_equal(why, "it is larger than 4 MiB");
	bundle_close(b);
}

static void all_files_together_are_bounded(void **state)
{
	struct bundle *b = bundle_record();
	char *bytes = calloc(1, BUNDLE_FILE_MAX);
	struct slice got;
	const char *why = NULL;

	(void)state;
	for (int i = 0; i < 15; i++) {
		char name[32];
		snprintf(name, sizeof name, "/put/%d", i);
		bundle_put(b, name, (struct slice){ bytes, BUNDLE_FILE_MAX });
	}
	write_file("big", S(""));
	assert_int_equal(truncate(path_of("big"), (off_t)BUNDLE_FILE_MAX), 0);
	assert_false(bundle_file(b, path_of("big"), &got, &why));
	assert_string_equal(why, "all files together are larger than 64 MiB");
	free(bytes);
	bundle_close(b);
}

static void what_is_put_is_found_before_the_disk_and_the_last_one_wins(void **state)
{
	struct bundle *b = bundle_record();
	struct slice bytes;
	const char *why = NULL;

	(void)state;
	write_file("a.yaml", S("disk"));
	bundle_put(b, path_of("a.yaml"), S("put"));
	bundle_put(b, path_of("./a.yaml"), S("put again"));
	assert_true(bundle_file(b, path_of("a.yaml"), &bytes, &why));
	assert_true(slice_same(bytes, S("put again")));
	bundle_close(b);
}

static void memory_files_that_are_not_ours_are_refused(void **state)
{
	struct bundle *b = bundle_record();
	int plain = memfd_create("plain", MFD_ALLOW_SEALING);
	char bytes[64] = "sallyport conf1";

	(void)state;
	assert_null(bundle_open(-1));
	assert_int_equal(write(plain, bytes, sizeof bytes), (ssize_t)sizeof bytes);
	assert_null(bundle_open(plain)); /* not sealed */
	memset(bytes + 16, 0xff, sizeof bytes - 16);
	assert_int_equal(pwrite(plain, bytes, sizeof bytes, 0), (ssize_t)sizeof bytes);
	assert_int_equal(fcntl(plain, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
	assert_null(bundle_open(plain)); /* lengths beyond its end */
	close(plain);
	int fd = bundle_seal(b);
	assert_int_equal(write(fd, "x", 1), -1); /* nobody changes it any more */
	close(fd);
	bundle_close(b);
}

static void paths_are_made_absolute_without_dots_and_doubled_slashes(void **state)
{
	struct bundle *b = bundle_empty();
	char to[PATH_MAX];

	(void)state;
	assert_true(slice_same(bundle_absolute(b, S("a//b/./c"), to), S("/a/b/c")));
	assert_true(slice_same(bundle_absolute(b, S("/a/../b"), to), S("/a/../b")));
	assert_true(slice_same(bundle_absolute(b, S("./"), to), S("/")));
	bundle_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_recorded_is_served_from_the_sealed_file_after_the_disk_has_changed),
		cmocka_unit_test(a_file_is_read_once_and_stays_as_it_was),
		cmocka_unit_test(files_that_cannot_be_taken_are_named_with_the_reason),
		cmocka_unit_test(all_files_together_are_bounded),
		cmocka_unit_test(what_is_put_is_found_before_the_disk_and_the_last_one_wins),
		cmocka_unit_test(memory_files_that_are_not_ours_are_refused),
		cmocka_unit_test(paths_are_made_absolute_without_dots_and_doubled_slashes),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
