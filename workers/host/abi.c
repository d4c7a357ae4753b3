#include "workers/host/abi.h"

#include <string.h>

#define MOST 4096 /* bytes: no struct of this interface will ever be larger */

static uint32_t size_of(const void *from) {
    uint32_t size;
    memcpy(&size, from, sizeof size);
    return size;
}

bool abi_size_is_sane(uint32_t struct_size, size_t least) {
    return struct_size >= least && struct_size <= MOST && struct_size % 8 == 0;
}

/* One struct whose size is sane. */
static void take(void *to, size_t size, const void *from) {
    size_t theirs = size_of(from);
    uint32_t mine = (uint32_t)size;
    memset(to, 0, size);
    memcpy(to, from, theirs < size ? theirs : size);
    memcpy(to, &mine, sizeof mine);
}

bool abi_take(void *to, size_t size, const void *from, size_t least) {
    if (!abi_size_is_sane(size_of(from), least)) return false;
    take(to, size, from);
    return true;
}

bool abi_check_list(const void *from, uint32_t count, size_t least) {
    uint32_t step = count ? size_of(from) : 0;
    if (count && !abi_size_is_sane(step, least)) return false;
    for (uint32_t i = 1; i < count; i++)
        if (size_of((const char *)from + (size_t)i * step) != step) return false;
    return true;
}

void abi_take_list(void *to, size_t size, const void *from, uint32_t count) {
    size_t step = count ? size_of(from) : 0;
    for (uint32_t i = 0; i < count; i++) take((char *)to + i * size, size, (const char *)from + i * step);
}
