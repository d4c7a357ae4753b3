/* What the rules of minor versions (sonde/plugin.h, VERSIONS) mean for the host: structs of a plugin come in the size that its
 * header gave them, and the host reads them as if they had its own. Any thread. */
#ifndef SONDE_HOST_ABI_H
#define SONDE_HOST_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sizes in version 1.0, in bytes: what any plugin of major version 1 gives at least. They never change. */
#define ABI_1_0_ENTRY      56
#define ABI_1_0_DESCRIPTOR 144
#define ABI_1_0_PLUGIN     64
#define ABI_1_0_INTERFACE  16
#define ABI_1_0_NEED       24
#define ABI_1_0_INPUT      32
#define ABI_1_0_PARAM      80
#define ABI_1_0_ARRAY_INFO 40

/* Whether a struct's size is one that it may have: not below version 1.0's, nor garbage. */
bool abi_size_is_sane(uint32_t struct_size, size_t least);

/* Copies a struct that begins with its size to one of `size` bytes: members that it hasn't are 0, those that this host doesn't
 * know are left. The copy's struct_size is `size`. False when its size isn't sane; nothing is copied then. */
bool abi_take(void *to, size_t size, const void *from, size_t least);

/* Whether all elements of a list have the same sane size. */
bool abi_check_list(const void *from, uint32_t count, size_t least);

/* Copies such a list to elements of `size` bytes. */
void abi_take_list(void *to, size_t size, const void *from, uint32_t count);

#endif
