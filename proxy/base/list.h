/* list.h -- doubly linked, intrusive, circular. A node that is in no list points at itself. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#define list_entry(node, type, field) ((type *)(void *)((char *)(node)-offsetof(type, field)))

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_is_empty(const struct list *l)
{
	return l->next == l;
}

/* Puts node last. The node must be in no list. */
static inline void list_push(struct list *l, struct list *node)
{
	node->prev = l->prev;
	node->next = l;
	l->prev->next = node;
	l->prev = node;
}

/* Takes node out of whatever list it is in; harmless where it is in none. */
static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* Takes the first node out; NULL where there is none. */
static inline struct list *list_shift(struct list *l)
{
	struct list *node = l->next;

	if (node == l)
		return NULL;
	list_remove(node);
	return node;
}
