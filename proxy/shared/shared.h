/* shared.h -- what the processes of one Sallyport have in common: the memory that they share, what each is
 * given as it starts, and what it may still do then.
 *
 * memory.h: the tables. child.h: what a process is given. confine.h: rights. forget.h: secrets that are not
 * its. keeper_queue.h: what workers ask of the keeper. sockets.h: the listeners. Each is part of this door.
 * */
#pragma once
#include "shared/child.h"
#include "shared/confine.h"
#include "shared/forget.h"
#include "shared/keeper_queue.h"
#include "shared/memory.h"
#include "shared/seats.h"
#include "shared/sockets.h"
