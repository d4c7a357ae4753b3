/* In which order plugins finish, by what they need from each other. Any thread. */
#ifndef SONDE_HOST_ORDER_H
#define SONDE_HOST_ORDER_H

#include "sonde/plugin.h"

#include <stdbool.h>
#include <stddef.h>

#define ORDER_TEXT 400

struct order_item {
    const sonde_descriptor_t *descriptor;
    char cycle[ORDER_TEXT]; /* "" or, for a plugin that can't run, the cycle of needs it is part of: "a -> b -> a" */
};

/* Whether `provider` offers the interface that `need` asks for. */
bool order_provides(const sonde_descriptor_t *provider, const sonde_need_t *need);

/* Fills `sorted` with the indices 0 .. count-1, so that each plugin comes after those that it needs at finish; otherwise in
 * the given order. Members of a cycle of required needs are marked; a cycle that an optional need closes is cut there. */
void order_sort(struct order_item *items, size_t count, size_t *sorted);

#endif
