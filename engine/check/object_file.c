#include "engine/check/object_file.h"

#include "engine/base/whole.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_BYTES   ((off_t)256 << 20)
#define MAX_SYMBOLS 1000000u

/* Addresses of the dynamic section that matter, as offsets in the file. */
struct dynamic {
    uint64_t symbols, strings, strings_size, hash, gnu_hash;
};

uint16_t object_file_own_machine(void) {
#if defined(__aarch64__)
    return EM_AARCH64;
#else
    return EM_X86_64;
#endif
}

/* `n` bytes at `offset`, or NULL when they don't lie in the file. They may lie unaligned: copy them out. */
static const void *at(const struct object_file *elf, uint64_t offset, uint64_t n) {
    return offset <= elf->size && n <= elf->size - offset ? elf->bytes + offset : NULL;
}

static bool copy(const struct object_file *elf, uint64_t offset, void *out, size_t n) {
    const void *from = at(elf, offset, n);
    if (from) memcpy(out, from, n);
    return from != NULL;
}

static bool segment(const struct object_file *elf, const Elf64_Ehdr *header, unsigned index, Elf64_Phdr *out) {
    return copy(elf, header->e_phoff + (uint64_t)index * sizeof *out, out, sizeof *out);
}

/* Where in the file the byte lies that is loaded at `address`; UINT64_MAX: nowhere. */
static uint64_t offset_of(const struct object_file *elf, const Elf64_Ehdr *header, uint64_t address) {
    Elf64_Phdr p;
    for (unsigned i = 0; i < header->e_phnum && segment(elf, header, i, &p); i++)
        if (p.p_type == PT_LOAD && address >= p.p_vaddr && address - p.p_vaddr < p.p_filesz)
            return address - p.p_vaddr + p.p_offset;
    return UINT64_MAX;
}

/* The zero-terminated string at `index` of the string table, or NULL. */
static const char *string_at(const struct object_file *elf, const struct dynamic *d, uint64_t index) {
    if (index >= d->strings_size) return NULL;
    const char *s = at(elf, d->strings, d->strings_size);
    return s && memchr(s + index, '\0', d->strings_size - index) ? s + index : NULL;
}

static bool add_name(const char ***list, size_t *count, const char *name, struct error *error) {
    const char **grown = realloc(*list, (*count + 1) * sizeof *grown);
    if (!grown) return error_memory(error);
    *list = grown;
    grown[(*count)++] = name;
    return true;
}

/* How many symbols there are: the old hash table says so, the new one is followed to the end of its last chain. */
static uint64_t count_symbols(const struct object_file *elf, const struct dynamic *d) {
    uint32_t head[4], value = 0;
    if (d->hash != UINT64_MAX) return copy(elf, d->hash, head, 8) ? head[1] : 0;
    if (d->gnu_hash == UINT64_MAX || !copy(elf, d->gnu_hash, head, sizeof head)) return 0;
    uint64_t buckets = d->gnu_hash + sizeof head + (uint64_t)head[2] * 8, last = 0;
    for (uint64_t i = 0; i < head[0] && i < MAX_SYMBOLS && copy(elf, buckets + i * 4, &value, 4); i++)
        if (value > last) last = value;
    if (last < head[1]) return head[1];
    uint64_t chains = buckets + (uint64_t)head[0] * 4;
    do {
        if (!copy(elf, chains + (last - head[1]) * 4, &value, 4)) return 0;
        last++;
    } while (!(value & 1) && last < MAX_SYMBOLS);
    return last;
}

static bool read_symbols(struct object_file *elf, const Elf64_Ehdr *header, const struct dynamic *d,
                         struct error *error) {
    uint64_t count = count_symbols(elf, d);
    Elf64_Sym s;
    for (uint64_t i = 1; i < count && i < MAX_SYMBOLS; i++) {
        if (!copy(elf, d->symbols + i * sizeof s, &s, sizeof s)) break;
        const char *name = string_at(elf, d, s.st_name);
        if (!name || !name[0] || ELF64_ST_BIND(s.st_info) == STB_LOCAL) continue;
        if (s.st_shndx == SHN_UNDEF) {
            if (!add_name(&elf->imports, &elf->imports_count, name, error)) return false;
            continue;
        }
        unsigned visibility = ELF64_ST_VISIBILITY(s.st_other);
        if (visibility != STV_DEFAULT && visibility != STV_PROTECTED) continue;
        if (!add_name(&elf->exports, &elf->exports_count, name, error)) return false;
        if (strcmp(name, "sonde_entry") == 0)
            elf->has_entry = copy(elf, offset_of(elf, header, s.st_value), elf->entry, sizeof elf->entry);
    }
    return true;
}

static bool read_dynamic(struct object_file *elf, const Elf64_Ehdr *header, const Elf64_Phdr *section,
                         struct error *error) {
    struct dynamic d = {UINT64_MAX, UINT64_MAX, 0, UINT64_MAX, UINT64_MAX};
    Elf64_Dyn entry;
    for (int pass = 0; pass < 2; pass++) { /* strings first, then what refers to them */
        for (uint64_t o = 0; o + sizeof entry <= section->p_filesz; o += sizeof entry) {
            if (!copy(elf, section->p_offset + o, &entry, sizeof entry) || entry.d_tag == DT_NULL) break;
            uint64_t value = entry.d_un.d_val;
            const char *text = pass ? string_at(elf, &d, value) : NULL;
            if (pass == 0 && entry.d_tag == DT_STRTAB) d.strings = offset_of(elf, header, value);
            if (pass == 0 && entry.d_tag == DT_STRSZ) d.strings_size = value;
            if (pass == 0 && entry.d_tag == DT_SYMTAB) d.symbols = offset_of(elf, header, value);
            if (pass == 0 && entry.d_tag == DT_HASH) d.hash = offset_of(elf, header, value);
            if (pass == 0 && entry.d_tag == DT_GNU_HASH) d.gnu_hash = offset_of(elf, header, value);
            if (entry.d_tag == DT_TEXTREL || (entry.d_tag == DT_FLAGS && (value & DF_TEXTREL)))
                elf->writable_code = true;
            if (text && entry.d_tag == DT_NEEDED && !add_name(&elf->needed, &elf->needed_count, text, error))
                return false;
            if (text && (entry.d_tag == DT_RUNPATH || entry.d_tag == DT_RPATH)) elf->search_path = text;
        }
    }
    elf->shared = true;
    return d.symbols == UINT64_MAX || read_symbols(elf, header, &d, error);
}

bool object_file_read(struct object_file *elf, unsigned char *bytes, size_t size, struct error *error) {
    *elf = (struct object_file){.bytes = bytes, .size = size, .executable_stack = true};
    Elf64_Ehdr header;
    if (!copy(elf, 0, &header, sizeof header) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
        return error_set(error, "it is not an ELF file");
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB)
        return error_set(error, "it is not of 64 bits, little-endian");
    elf->machine = header.e_machine;
    if (header.e_type != ET_DYN || header.e_phentsize != sizeof(Elf64_Phdr))
        return error_set(error, "it is not a shared library");
    Elf64_Phdr p;
    for (unsigned i = 0; i < header.e_phnum && segment(elf, &header, i, &p); i++) {
        if (p.p_type == PT_GNU_STACK) elf->executable_stack = (p.p_flags & PF_X) != 0;
        if (p.p_type == PT_INTERP) return error_set(error, "it is a program, not a shared library");
        if (p.p_type == PT_DYNAMIC && !elf->shared && !read_dynamic(elf, &header, &p, error)) return false;
    }
    return elf->shared ? true : error_set(error, "it has no dynamic section: it is cut off, or not a shared library");
}

bool object_file_open(struct object_file *elf, const char *path, struct error *error) {
    *elf = (struct object_file){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return error_system(error, errno, "cannot open it");
    struct stat facts;
    bool good = fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_size <= MAX_BYTES;
    if (!good) error_set(error, "it is not a plain file of at most 256 MiB");
    size_t size = good ? (size_t)facts.st_size : 0, got = 0;
    unsigned char *bytes = good ? malloc(size + 1) : NULL;
    if (good && !bytes) good = error_memory(error);
    if (good && !whole_read(fd, bytes, size, &got)) good = error_system(error, errno, "cannot read it");
    close(fd);
    if (good) return object_file_read(elf, bytes, got, error);
    free(bytes);
    return false;
}

void object_file_close(struct object_file *elf) {
    free(elf->bytes);
    free(elf->exports);
    free(elf->imports);
    free(elf->needed);
    *elf = (struct object_file){0};
}
