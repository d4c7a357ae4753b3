/* What the file itself tells, without running any of it. */
#include "engine/check/object_file.h"
#include "engine/check/subject.h"

#include <stdio.h>
#include <string.h>

/* The ABI that this engine's workers have. */
#include <sonde/plugin.h>

/* Libraries by the beginning of their names, whose purpose is none of an analysis plugin's. */
static const char *const forbidden_libraries[] = {
    "libX11",  "libxcb",  "libwayland", "libGL",    "libEGL",     "libgtk-",     "libgdk-",
    "libQt",   "libSDL",  "libasound",  "libpulse", "libjack",    "libpipewire", "libportaudio",
    "libcurl", "libssl",  "libsoup",    "libdbus-", "libsystemd", "libudev",     "libnng",
    "libzmq",  "libasan", "libtsan",    "libubsan", "libmsan",    "libsqlite3",
};

/* Functions that can only end in a violation, hurt the host, or differ from run to run. */
static const struct {
    const char *name;
    bool fatal; /* else a warning: there may be a good reason */
} forbidden_functions[] = {
    {"fork", true},        {"vfork", true},   {"execve", true},        {"execv", true},        {"execvp", true},
    {"execl", true},       {"execlp", true},  {"posix_spawn", true},   {"posix_spawnp", true}, {"system", true},
    {"popen", true},       {"kill", true},    {"killpg", true},        {"ptrace", true},       {"socket", true},
    {"connect", true},     {"bind", true},    {"listen", true},        {"accept", true},       {"send", true},
    {"sendto", true},      {"sendmsg", true}, {"setlocale", true},     {"unlink", true},       {"setrlimit", true},
    {"setpriority", true}, {"mount", true},   {"unshare", true},       {"setenv", true},       {"putenv", true},
    {"daemon", true},      {"rand", false},   {"srand", false},        {"random", false},      {"drand48", false},
    {"arc4random", false}, {"time", false},   {"gettimeofday", false}, {"exit", false},        {"_exit", false},
    {"signal", false},     {"dlopen", false}, {"printf", false},       {"puts", false},
};

static void check_exports(struct subject *s, const struct object_file *elf) {
    char names[300] = "";
    size_t others = 0, used = 0;
    for (size_t i = 0; i < elf->exports_count; i++) {
        const char *name = elf->exports[i];
        /* What linkers and runtimes add by themselves. */
        if (strcmp(name, "sonde_entry") == 0 || name[0] == '_' || strncmp(name, "rust_eh_", 8) == 0) continue;
        if (others++ < 5 && used < sizeof names)
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%.50s", used ? ", " : "", name);
    }
    if (others == 0)
        report_pass(s->report, CHECK_FILE_EXPORTS, NULL);
    else
        report_add(s->report, CHECK_FILE_EXPORTS, NULL, CHECK_FAILED, "it also exports %s%s", names,
                   others > 5 ? " and others" : "");
}

static void check_links(struct subject *s, const struct object_file *elf) {
    report_pass(s->report, CHECK_FILE_LINKS, NULL);
    for (size_t i = 0; i < elf->needed_count; i++)
        for (size_t k = 0; k < sizeof forbidden_libraries / sizeof *forbidden_libraries; k++)
            if (strncmp(elf->needed[i], forbidden_libraries[k], strlen(forbidden_libraries[k])) == 0)
                report_add(s->report, CHECK_FILE_LINKS, NULL, CHECK_FAILED, "it links %.100s", elf->needed[i]);
    if (elf->search_path && strncmp(elf->search_path, "$ORIGIN", 7) != 0)
        report_add(s->report, CHECK_FILE_LINKS, NULL, CHECK_WARNED,
                   "it looks for libraries in %.200s, which is nowhere "
                   "on other machines",
                   elf->search_path);
}

static void check_imports(struct subject *s, const struct object_file *elf) {
    report_pass(s->report, CHECK_FILE_IMPORTS, NULL);
    for (size_t i = 0; i < elf->imports_count; i++)
        for (size_t k = 0; k < sizeof forbidden_functions / sizeof *forbidden_functions; k++)
            if (strcmp(elf->imports[i], forbidden_functions[k].name) == 0)
                report_add(s->report, CHECK_FILE_IMPORTS, NULL,
                           forbidden_functions[k].fatal ? CHECK_FAILED : CHECK_WARNED, "it calls %s",
                           forbidden_functions[k].name);
}

static void check_memory(struct subject *s, const struct object_file *elf) {
    if (elf->executable_stack || elf->writable_code)
        report_add(s->report, CHECK_FILE_MEMORY, NULL, CHECK_FAILED, "it wants %s",
                   elf->executable_stack ? "an executable stack"
                                         : "to change its own code when loaded (not built as "
                                           "position-independent code)");
    else
        report_pass(s->report, CHECK_FILE_MEMORY, NULL);
}

static bool check_abi(struct subject *s, const struct object_file *elf) {
    const uint32_t *e = elf->entry;
    bool same = e[1] == SONDE_ABI_MAJOR; /* minors only append, either way */
    if (same)
        report_add(s->report, CHECK_FILE_ABI, NULL, CHECK_PASSED, "ABI %u.%u", e[1], e[2]);
    else
        report_add(s->report, CHECK_FILE_ABI, NULL, CHECK_FAILED, "it is built for ABI %u.%u, and this host has %u.%u",
                   e[1], e[2], SONDE_ABI_MAJOR, SONDE_ABI_MINOR);
    return same;
}

static bool look(struct subject *s, const struct object_file *elf) {
    if (elf->machine != object_file_own_machine()) {
        report_add(s->report, CHECK_FILE_ELF, NULL, CHECK_FAILED, "it is for another processor (ELF machine %u)",
                   elf->machine);
        return false;
    }
    report_pass(s->report, CHECK_FILE_ELF, NULL);
    check_exports(s, elf);
    check_links(s, elf);
    check_imports(s, elf);
    check_memory(s, elf);
    if (!elf->has_entry) {
        report_add(s->report, CHECK_FILE_ENTRY, NULL, CHECK_FAILED, "no data of that name is exported");
        return false;
    }
    report_pass(s->report, CHECK_FILE_ENTRY, NULL);
    return check_abi(s, elf);
}

bool check_file(struct subject *s) {
    struct object_file elf;
    struct error error = {0};
    bool good = object_file_open(&elf, s->library->path, &error);
    if (!good) report_add(s->report, CHECK_FILE_ELF, NULL, CHECK_FAILED, "%s", error.text);
    good = good && look(s, &elf);
    object_file_close(&elf);
    return good;
}
