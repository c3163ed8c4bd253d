/* inside.h -- the revoker's parts. Private to revocation/. */
#pragma once
#include "revocation/machines.h"

struct revoker {
	const struct config *config;
	struct revocation_env env;
	struct revocations all;
	struct revoke_sync sync;
	struct revoke_machines machines;
	uint64_t aged_ns; /* when revocations were last looked over */
	void (*on_news)(void *with);
	void *with;
};
