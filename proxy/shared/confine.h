/* confine.h -- what a process may still do: who it runs as, which descriptors it holds, which system
 * calls it makes. Part of shared's door.
 *
 * * Everything but the supervisor gives up root, every capability, core dumps and tracing by others, and
 * enters a seccomp filter. The filter is a deny list with EPERM: what we never do (start programs, trace,
 * signal or limit others, mount, load code into the kernel, change identity, write what is executed, and but
 * for the keeper start processes and write files) is refused, while a C library's next version may use new
 * harmless calls. Under AddressSanitizer, whose leak check starts and traces a process, dumping and the calls
 * it needs stay allowed. */
#pragma once
#include "base/slice.h"
#include <sys/types.h>

#if !defined(__has_feature)
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define TRACED 1 /* its leak check traces the process at its end */
#else
#define TRACED 0
#endif

struct account {
	bool change; /* started by root: become this user */
	uid_t uid;
	gid_t gid;
	char name[64];
};

/* The user to run as; `name` may be empty: sallyport where there is one, else nobody. Not root: nothing to
 * change. False: *why is a sentence. */
bool account_find(struct account *a, struct slice name, char *why, size_t why_cap);

/* Closes all descriptors but 0, 1, 2 and those given; changes the order of `keep`. */
void confine_descriptors(int *keep, size_t len);
/* Gives up everything for good. False: errno says why, and the process must end. */
bool confine_identity(const struct account *a);
/* The supervisor keeps only what a reload needs: ports below 1024, files that root may read, its children. */
bool confine_supervisor(void);
/* After all files are open and everything is loaded; what it may still do. False: errno says why. */
enum { MAY_NOTHING = 0, MAY_WRITE = 1, MAY_FORK = 2, MAY_RESOLVE = 4 };
bool confine_calls(unsigned may);
/* As many descriptors as the hard limit allows. */
void confine_raise_descriptors(void);
uint64_t confine_descriptors_max(void); /* what this process may have open; 0: unknown */
