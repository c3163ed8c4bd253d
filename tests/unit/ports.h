/* ports.h -- ports for tests, as tests/tools/ports.py draws them: a block of twenty at a time, claimed by
 * an abstract Unix socket that is held until this process ends; each port is drawn once. A port plus
 * 10,000 belongs to who has the port: a Redis cluster's bus needs it. */
#pragma once
#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { PORTS_FIRST = 12000, PORTS_BLOCK = 20, PORTS_BLOCKS = 500, PORTS_BUS = 10000 };

uint16_t free_port(void);
