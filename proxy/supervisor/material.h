/* material.h -- the files beside the configuration's text: certificates, keys, CAs, secrets, key sets.
 * Private to supervisor/.
 *
 * * The supervisor watches every directory that a step of their paths stands in (inotify), so that a link
 * that is swapped, as Kubernetes swaps ..data, is seen like a file that is written; and it looks each minute,
 * where no sign comes. It reads none of them: what changed is read and proven by a reload's child. */
#pragma once
#include "supervisor/rhythm.h"

struct generation;

struct material {
	int fd;      /* inotify; -1: none */
	unsigned of; /* number of the generation whose files are watched; 0: none */
	struct watched_file *watched;
	size_t len, cap;
	struct rhythm rhythm;
	uint64_t settled, tried; /* hashes of stamps: of files that proved the same; of the try */
};

void material_init(struct material *m);
void material_close(struct material *m);
/* Reads what inotify has to say. */
void material_hear(struct material *m, uint64_t now_ns);
/* Is it time, and are the files of the generation in force others than those that were read? */
bool material_wants(struct material *m, const struct generation *in_force, uint64_t now_ns);
/* What came of trying them. True: why it failed is to be said. */
bool material_done(struct material *m, enum rhythm_result result, uint64_t now_ns);
/* When material_wants is worth asking again. */
uint64_t material_next_ns(const struct material *m);
