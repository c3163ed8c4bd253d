/* path.h -- files and directories that root opens or makes where others may write too.
 *
 * A path is walked step by step. A link on the way is followed only where nobody but root, or who we are,
 * can have put it; the last step follows none. From the first directory on that belongs to somebody else,
 * root does all as that user, so that nobody reaches through us what is closed to him. Who is not root is
 * held by his own rights. All close on exec, never a controlling terminal; -1: errno says why. */
#pragma once
#include "base/slice.h"
#include <stdbool.h>
#include <sys/types.h>

/* As open. In a directory that others may write to, what somebody else put there is refused (EPERM), and
 * so is a file that has a second name where it is to be written (EMLINK). */
int path_open(const char *path, int flags, mode_t mode);
/* The directory, opened; its last step is made with the mode `make` where it is missing, unless that is 0. */
struct path_found {
	bool made;
	bool ours; /* nobody else had a hand in the way to it, and its last step is no link */
};
int path_directory(const char *path, mode_t make, struct path_found *found);
/* As path_directory, all that is missing on the way too. */
int path_directories(const char *path, mode_t make);
/* The directory in which the last step stands; *last points into path. */
int path_parent(const char *path, const char **last);

/* Root acts as that user until path_be_root. False: nothing has changed. */
struct path_self {
	uid_t uid;
	gid_t gid, groups[64];
	int groups_len;
};
bool path_be(struct path_self *was, uid_t uid, gid_t gid);
void path_be_root(const struct path_self *was); /* aborts where it cannot */

/* All of the bytes, in as many writes as it takes. False: errno says why not all of them. */
bool path_write_all(int fd, struct slice bytes);
