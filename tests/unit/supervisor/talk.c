/* talk.c -- what talk.h promises. */
#include "talk.h"

int supervised_connect(unsigned port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		                      .sin_port = htons((uint16_t)port),
		                      .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct timeval patience = { 5, 0 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
		return fd;
	close(fd);
	return -1;
}

const char *supervised_ask(unsigned port, const char *words)
{
	static char answer[64];
	int fd = supervised_connect(port);

	if (fd < 0)
		return NULL;
	send(fd, words, strlen(words), MSG_NOSIGNAL);
	ssize_t n = recv(fd, answer, sizeof answer - 1, 0);
	close(fd);
	if (n <= 0)
		return NULL;
	answer[n] = '\0';
	return answer;
}
