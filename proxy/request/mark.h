/* mark.h -- the moments of a request's life that the log tells the time up to, in the order in which they
 * pass. Part of request's door. */
#pragma once

enum mark {
	MARK_BEGAN, /* its first byte came */
	MARK_ROUTED,
	MARK_LIMITED, /* by what is known without an identity */
	MARK_VERIFIED,
	MARK_SCREENED,     /* whether its credential is in use already */
	MARK_LIMITED_LATE, /* by identity */
	MARK_GATHERED,     /* what may be sent again of its body is here */
	MARK_SENT,         /* its head is with the upstream */
	MARK_HEAD,         /* the upstream's response head is here */
	MARK_ENDED,
	MARKS
};
