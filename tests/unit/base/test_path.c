#include "base/path.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum { THEIR = 12345 };
static char dir[] = "/tmp/path-XXXXXX";

static const char *at(const char *name)
{
	static char path[4][256];
	static unsigned n;
	char *to = path[n++ % 4];

	snprintf(to, sizeof path[0], "%s/%s", dir, name);
	return to;
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(at(name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void need_root(void)
{
	if (geteuid() != 0)
		skip();
}

static uid_t owner(const char *name)
{
	struct stat st;

	assert_int_equal(lstat(at(name), &st), 0);
	return st.st_uid;
}

static void refuse(const char *name, int flags, int why)
{
	int fd = path_open(at(name), flags, 0600);

	assert_int_equal(fd, -1);
	assert_int_equal(errno, why);
	assert_int_equal(geteuid(), getuid());
}

static void a_file_is_made_and_a_link_at_its_end_is_not_followed(void **state)
{
	(void)state;
	int fd = path_open(at("file"), O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(symlink(at("file"), at("link")), 0);
	refuse("link", O_WRONLY, ELOOP);
	refuse("none/file", O_WRONLY | O_CREAT, ENOENT);
	refuse("file/below", O_WRONLY | O_CREAT, ENOTDIR);
	assert_int_equal(path_open("", O_RDONLY, 0), -1);
}

static void a_link_of_our_own_on_the_way_is_followed(void **state)
{
	(void)state;
	assert_int_equal(mkdir(at("real"), 0755), 0);
	assert_int_equal(symlink("real", at("short")), 0);
	assert_int_equal(symlink(dir, at("long")), 0);
	int fd = path_open(at("long/short/./x"), O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(access(at("real/x"), F_OK), 0);
	assert_int_equal(symlink("turn", at("turn")), 0);
	refuse("turn/x", O_RDONLY, ELOOP);
}

static void where_others_may_write_no_link_of_theirs_is_followed(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(mkdir(at("open"), 0700), 0);
	assert_int_equal(chmod(at("open"), 01777), 0);
	assert_int_equal(mkdir(at("victim"), 0755), 0);
	assert_int_equal(symlink(at("victim"), at("open/theirs")), 0);
	assert_int_equal(lchown(at("open/theirs"), THEIR, THEIR), 0);
	refuse("open/theirs/x", O_WRONLY | O_CREAT, ELOOP);
	put("open/left", "x");
	assert_int_equal(chown(at("open/left"), THEIR, THEIR), 0);
	assert_int_equal(path_open(at("open/left"), O_WRONLY | O_APPEND, 0600), -1);
	assert_int_equal(errno, EPERM);
}

static void in_somebody_elses_directory_root_may_only_what_he_may(void **state)
{
	(void)state;
	need_root();
	put("secret", "x");
	assert_int_equal(chmod(at("secret"), 0600), 0);
	assert_int_equal(mkdir(at("his"), 0755), 0);
	assert_int_equal(symlink(dir, at("his/up")), 0);
	assert_int_equal(chown(at("his"), THEIR, THEIR), 0);
	assert_int_equal(link(at("secret"), at("his/hard")), 0);
	refuse("his/hard", O_RDONLY, EACCES);
	refuse("his/up/secret", O_WRONLY, EACCES);
	refuse("his/up/new", O_WRONLY | O_CREAT, EACCES);
	int fd = path_open(at("his/new"), O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(owner("his/new"), THEIR);
	struct path_found found;
	fd = path_directory(at("his/up"), 0, &found);
	assert_true(fd >= 0 && !found.ours);
	close(fd);
	assert_int_equal(geteuid(), 0);
}

static void directories_are_made_where_they_are_missing(void **state)
{
	struct path_found found;

	(void)state;
	assert_int_equal(path_directory(at("a/b"), 0700, &found), -1);
	assert_int_equal(path_directory(at("a"), 0, NULL), -1);
	int fd = path_directory(at("a"), 0700, &found);
	assert_true(fd >= 0 && found.made && found.ours);
	close(fd);
	fd = path_directory(at("a"), 0700, &found);
	assert_true(fd >= 0 && !found.made);
	close(fd);
	fd = path_directories(at("a/b/c/d"), 0700);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(access(at("a/b/c/d"), F_OK), 0);
}

static void a_parent_is_opened_and_the_last_step_told(void **state)
{
	const char *last = NULL;
	struct stat st, same;

	(void)state;
	int fd = path_parent(at("x.sock"), &last);
	assert_true(fd >= 0);
	assert_string_equal(last, "x.sock");
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(stat(dir, &same), 0);
	assert_true(st.st_ino == same.st_ino);
	close(fd);
}

static int begin(void **state)
{
	(void)state;
	return !mkdtemp(dir) || chmod(dir, 0755) != 0;
}

static int end(void **state)
{
	char line[64];

	(void)state;
	snprintf(line, sizeof line, "rm -rf %s", dir);
	return system(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_made_and_a_link_at_its_end_is_not_followed),
		cmocka_unit_test(a_link_of_our_own_on_the_way_is_followed),
		cmocka_unit_test(where_others_may_write_no_link_of_theirs_is_followed),
		cmocka_unit_test(in_somebody_elses_directory_root_may_only_what_he_may),
		cmocka_unit_test(directories_are_made_where_they_are_missing),
		cmocka_unit_test(a_parent_is_opened_and_the_last_step_told),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
