/* Reads an endpoint's URL. */
#include "forward/endpoint.h"
#include "base/text.h"
#include <arpa/inet.h>
#include <stdatomic.h>
#include <sys/un.h>

static bool parse_unix(struct slice path, struct endpoint_url *to)
{
	struct sockaddr_un limit;

	if (!slice_starts(path, S("/")) || path.len < 2 || path.len >= sizeof limit.sun_path)
		return false;
	for (size_t i = 0; i < path.len; i++)
		if ((unsigned char)path.at[i] <= ' ' || path.at[i] == 0x7f)
			return false;
	*to = (struct endpoint_url){ .scheme = ENDPOINT_UNIX, .path = path };
	return true;
}

static bool is_literal(int family, struct slice host, void *to)
{
	char text[INET6_ADDRSTRLEN];
	struct text t = TEXT(text);

	text_add(&t, host);
	return text_end(&t) && inet_pton(family, text, to) == 1;
}

static bool is_digits(struct slice s)
{
	uint64_t n;

	return slice_u64(s, &n) || (slice_starts(s, S("0x")) || slice_starts(s, S("0X")));
}

/* Letters, digits, hyphens and underscores in labels of 1 to 63 bytes (RFC 1123 section 2.1; underscores are
 * found in names that clusters give). */
static bool is_name(struct slice host)
{
	struct slice rest = host, label = { 0 };

	if (host.len == 0 || host.len > 253)
		return false;
	while (rest.len) {
		bool more = slice_find(rest, '.') < rest.len;
		label = slice_cut(&rest, '.');
		if (label.len == 0 || label.len > 63 || label.at[0] == '-' || label.at[label.len - 1] == '-')
			return false;
		for (size_t i = 0; i < label.len; i++) {
			char c = slice_lower(label.at[i]);
			if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
				return false;
		}
		if (more && rest.len == 0)
			return false; /* a trailing dot: certificates would not match */
	}
	return !is_digits(label);
}

/* The host off the front of *rest, up to the port's colon. */
static bool parse_host(struct slice *rest, struct endpoint_url *to)
{
	struct in6_addr scratch;

	if (slice_starts(*rest, S("["))) {
		*rest = slice_from(*rest, 1);
		size_t end = slice_find(*rest, ']');
		if (end == rest->len)
			return false;
		to->host = slice_head(*rest, end);
		*rest = slice_from(*rest, end + 1);
		to->literal = true;
		return is_literal(AF_INET6, to->host, &scratch);
	}
	size_t end = slice_find(*rest, ':');
	to->host = slice_head(*rest, end);
	*rest = slice_from(*rest, end);
	to->literal = is_literal(AF_INET, to->host, &scratch);
	return to->literal || is_name(to->host);
}

static bool parse_port(struct slice rest, struct endpoint_url *to)
{
	uint64_t port;

	if (rest.len == 0)
		return true;
	if (rest.at[0] != ':' || rest.len > 6 || !slice_u64(slice_from(rest, 1), &port))
		return false;
	to->port = (uint16_t)port;
	return port > 0 && port <= UINT16_MAX;
}

bool endpoint_parse(struct slice text, struct endpoint_url *to)
{
	struct slice rest;

	*to = (struct endpoint_url){ 0 };
	if (slice_starts(text, S("unix:")))
		return parse_unix(slice_from(text, 5), to);
	if (slice_starts(text, S("http://"))) {
		*to = (struct endpoint_url){ .scheme = ENDPOINT_HTTP, .port = 80 };
		rest = slice_from(text, 7);
	} else if (slice_starts(text, S("https://"))) {
		*to = (struct endpoint_url){ .scheme = ENDPOINT_HTTPS, .port = 443 };
		rest = slice_from(text, 8);
	} else {
		return false;
	}
	if (slice_ends(rest, S("/")))
		rest.len--;
	return parse_host(&rest, to) && parse_port(rest, to);
}

bool endpoint_address(const struct endpoint_url *e, struct sockaddr_storage *to, socklen_t *len)
{
	struct sockaddr_un *local = (struct sockaddr_un *)to;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)to;
	struct sockaddr_in *four = (struct sockaddr_in *)to;

	memset(to, 0, sizeof *to);
	if (e->scheme == ENDPOINT_UNIX) {
		local->sun_family = AF_UNIX;
		memcpy(local->sun_path, e->path.at, e->path.len);
		*len = sizeof *local;
		return true;
	}
	if (!e->literal)
		return false;
	if (is_literal(AF_INET, e->host, &four->sin_addr)) {
		four->sin_family = AF_INET;
		four->sin_port = htons(e->port);
		*len = sizeof *four;
		return true;
	}
	six->sin6_family = AF_INET6;
	six->sin6_port = htons(e->port);
	*len = sizeof *six;
	return is_literal(AF_INET6, e->host, &six->sin6_addr);
}

bool endpoint_name(struct slice upstream, struct slice url, char to[static 256])
{
	struct text t = { .at = to, .cap = 256 };

	text_add(&t, upstream);
	text_char(&t, ' ');
	text_add(&t, url);
	return text_end(&t);
}

size_t endpoint_find(const struct forward_published *p, const char *name)
{
	for (size_t i = 0; i < p->len; i++)
		if (strcmp(p->endpoint[i].name, name) == 0)
			return i;
	return RECORDS;
}

/* The keeper writes the copy that is not shown, flips, then raises the generation. A copy that was read while
 * being written again therefore comes with a generation that moved. */
void endpoint_read(const struct forward_published *p, size_t i, struct endpoint_state *to)
{
	const struct endpoint_published *e = &p->endpoint[i];
	uint64_t before, after;

	do {
		before = atomic_load_explicit(&p->generation, memory_order_acquire);
		uint32_t copy = atomic_load_explicit(&e->copy, memory_order_acquire) & 1;
		to->checked_ns = e->state[copy].checked_ns;
		to->accepted_ns = e->state[copy].accepted_ns;
		to->refused_ns = e->state[copy].refused_ns;
		to->health = e->state[copy].health;
		to->addresses_len = e->state[copy].addresses_len;
		if (to->addresses_len > sizeof to->addresses / sizeof to->addresses[0])
			to->addresses_len = 0;
		memcpy(to->addresses, e->state[copy].addresses, to->addresses_len * sizeof to->addresses[0]);
		atomic_thread_fence(memory_order_acquire);
		after = atomic_load_explicit(&p->generation, memory_order_relaxed);
	} while (before != after);
}
