/* notify.h -- the service manager's notifications, by our own datagram (systemd's sd_notify(3) protocol): no
 * library is linked for one sendto. Without NOTIFY_SOCKET nothing happens. */
#pragma once
#include "base/slice.h"

/* Lines of NAME=value, separated by newlines. */
void notify_say(struct slice lines);
void notify_reloading(void); /* with the time, as Type=notify-reload wants it */
/* How often WATCHDOG=1 is to be said; 0: never (not asked for, or not of this process). */
uint64_t notify_watchdog_ns(void);
