/* talk.c -- what talk.h promises. */
#include "talk.h"

struct loop *loop;
int listening;
uint16_t port;
char heard[1 << 20]; /* NUL-terminated */
size_t heard_len;
bool ended; /* the server has closed */

void open_loop(void)
{
	struct sockaddr_storage at;
	socklen_t len;

	loop = loop_open();
	assert_true(address_parse(S("127.0.0.1:0"), &at, &len));
	listening = listener_bind(&at, len, true);
	assert_true(listening >= 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&at, &len), 0);
	port = ntohs(((struct sockaddr_in *)(void *)&at)->sin_port);
}

void close_loop(void)
{
	loop_turn(loop, 0); /* buries */
	loop_close(loop);
	close(listening);
}

int dial(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		                      .sin_port = htons(port),
		                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

bool hear(int fd, const char *until)
{
	for (int quiet = 0; quiet < 2000;) {
		loop_turn(loop, 2 * NS_PER_MS);
		ssize_t n = recv(fd, heard + heard_len, sizeof heard - 1 - heard_len, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno == ECONNRESET)) {
			ended = true;
			break;
		}
		quiet = n > 0 ? 0 : quiet + 1;
		heard_len += n > 0 ? (size_t)n : 0;
		heard[heard_len] = '\0';
		if (until && strstr(heard, until))
			return true;
	}
	return until && strstr(heard, until);
}

void say(int fd, struct slice bytes)
{
	for (int tries = 0; bytes.len && tries < 10000; tries++) {
		ssize_t n = send(fd, bytes.at, bytes.len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0)
			bytes = slice_from(bytes, (size_t)n);
		else if (errno != EAGAIN)
			return;
		loop_turn(loop, 0);
	}
}

void forget(void)
{
	heard_len = 0;
	heard[0] = '\0';
	ended = false;
}

bool ask_for(int fd, const char *request, const char *until)
{
	forget();
	say(fd, slice_of(request));
	return hear(fd, until);
}
