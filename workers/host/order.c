#include "workers/host/order.h"

#include <stdio.h>
#include <string.h>

bool order_provides(const sonde_descriptor_t *provider, const sonde_need_t *need) {
    for (uint32_t i = 0; i < provider->provides_count; i++)
        if (provider->provides[i].major == need->major && strcmp(provider->provides[i].id, need->id) == 0) return true;
    return false;
}

static bool is_placed(const size_t *sorted, size_t placed, size_t item) {
    for (size_t i = 0; i < placed; i++)
        if (sorted[i] == item) return true;
    return false;
}

/* The first plugin, not placed yet, that `item` waits for; or `count`. */
static size_t waits_for(const struct order_item *items, size_t count, const size_t *sorted, size_t placed, size_t item,
                        bool optional_too) {
    const sonde_descriptor_t *d = items[item].descriptor;
    for (uint32_t n = 0; n < d->needs_count; n++) {
        if (d->needs[n].when != SONDE_NEED_AT_FINISH) continue;
        if (!optional_too && d->needs[n].necessity == SONDE_NEED_OPTIONAL) continue;
        for (size_t p = 0; p < count; p++)
            if (p != item && order_provides(items[p].descriptor, &d->needs[n]) && !is_placed(sorted, placed, p))
                return p;
    }
    return count;
}

/* Follows needs from `start` until a plugin comes up again, and marks everyone on that circle. */
static void mark_cycle(struct order_item *items, size_t count, const size_t *sorted, size_t placed, size_t start) {
    size_t at = start;
    for (size_t i = 0; i < count; i++) at = waits_for(items, count, sorted, placed, at, false); /* now on the circle */
    size_t walk = at, first = at;
    while ((walk = waits_for(items, count, sorted, placed, walk, false)) != at) first = walk < first ? walk : first;
    at = first;
    char text[ORDER_TEXT];
    size_t used = (size_t)snprintf(text, sizeof text, "%s", items[at].descriptor->id);
    walk = at;
    do {
        walk = waits_for(items, count, sorted, placed, walk, false);
        if (used < sizeof text)
            used += (size_t)snprintf(text + used, sizeof text - used, " -> %s", items[walk].descriptor->id);
    } while (walk != at);
    do {
        memcpy(items[walk].cycle, text, sizeof text);
        walk = waits_for(items, count, sorted, placed, walk, false);
    } while (walk != at);
}

void order_sort(struct order_item *items, size_t count, size_t *sorted) {
    for (size_t i = 0; i < count; i++) items[i].cycle[0] = '\0';
    size_t placed = 0;
    while (placed < count) {
        size_t pick = count;
        for (int optional_too = 1; optional_too >= 0 && pick == count; optional_too--)
            for (size_t i = 0; i < count && pick == count; i++)
                if (!is_placed(sorted, placed, i) &&
                    waits_for(items, count, sorted, placed, i, optional_too != 0) == count)
                    pick = i;
        if (pick == count) {
            /* Everyone left waits for someone: there is a circle. Its first member is placed, which opens it. */
            for (pick = 0; is_placed(sorted, placed, pick);) pick++;
            mark_cycle(items, count, sorted, placed, pick);
            for (pick = 0; is_placed(sorted, placed, pick) || !items[pick].cycle[0];) pick++;
        }
        sorted[placed++] = pick;
    }
}
