/* What a shared library says about itself before any of its code runs. The file may be anything: every offset in it is
 * checked against its length. ELF, 64 bits, little-endian (System V ABI, chapters 4 and 5). Any thread. */
#ifndef SONDE_CHECK_OBJECT_FILE_H
#define SONDE_CHECK_OBJECT_FILE_H

#include "engine/base/error.h"

#include <stddef.h>
#include <stdint.h>

struct object_file {
    unsigned char *bytes; /* the file; the names below lie in it */
    size_t size;
    uint16_t machine;        /* EM_... */
    bool shared;             /* ET_DYN with a dynamic section */
    bool executable_stack;   /* asks for one, or doesn't say */
    bool writable_code;      /* relocations in its text */
    const char **exports;    /* defined, global or weak, default or protected visibility */
    const char **imports;    /* undefined */
    const char **needed;     /* DT_NEEDED */
    const char *search_path; /* DT_RUNPATH or DT_RPATH; NULL: none */
    bool has_entry;          /* sonde_entry, as data in the file */
    uint32_t entry[3];       /* its first three members: struct_size, abi_major, abi_minor */
    size_t exports_count, imports_count, needed_count;
};

/* Reads at most 256 MiB. False with a sentence when it isn't an ELF file that can be loaded; object_file_close in any case. */
bool object_file_open(struct object_file *elf, const char *path, struct error *error);

/* The same of bytes in memory, which must be allocated and become the struct's. */
bool object_file_read(struct object_file *elf, unsigned char *bytes, size_t size, struct error *error);

void object_file_close(struct object_file *elf);

/* The machine of this program, as EM_... */
uint16_t object_file_own_machine(void);

#endif
