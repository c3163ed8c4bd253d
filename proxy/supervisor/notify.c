/* Speaks to the service manager. */
#include "supervisor/notify.h"
#include "base/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void notify_say(struct slice lines)
{
	struct slice path = slice_of(getenv("NOTIFY_SOCKET"));
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	if (path.len < 2 || path.len >= sizeof to.sun_path || (path.at[0] != '/' && path.at[0] != '@'))
		return;
	memcpy(to.sun_path, path.at, path.len);
	if (to.sun_path[0] == '@')
		to.sun_path[0] = '\0'; /* abstract: a name in no file system */
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len);
	if (sendto(fd, lines.at, lines.len, MSG_NOSIGNAL, (struct sockaddr *)&to, len) < 0)
		fprintf(stderr, "sallyport: the service manager's socket %s does not take notifications\n", path.at);
	close(fd);
}

void notify_reloading(void)
{
	char lines[80];
	int len = snprintf(lines, sizeof lines, "RELOADING=1\nMONOTONIC_USEC=%llu",
	                   (unsigned long long)(clock_ns() / NS_PER_US));

	notify_say((struct slice){ lines, (size_t)len });
}

uint64_t notify_watchdog_ns(void)
{
	uint64_t usec, pid;

	if (!slice_u64(slice_of(getenv("WATCHDOG_USEC")), &usec) || usec == 0)
		return 0;
	if (slice_u64(slice_of(getenv("WATCHDOG_PID")), &pid) && pid != (uint64_t)getpid())
		return 0;
	return usec * NS_PER_US / 2; /* twice as often as asked, as sd_watchdog_enabled(3) advises */
}
