#include "engine/base/mounts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* File systems whose content can change behind this kernel's back. Anything under FUSE may be one. */
static bool is_remote(const char *type) {
    static const char *const remote[] = {"nfs",    "nfs4",  "cifs",     "smb3",      "smbfs",  "9p",   "ceph",
                                         "afs",    "ncpfs", "coda",     "glusterfs", "lustre", "gfs2", "ocfs2",
                                         "beegfs", "davfs", "virtiofs", "vboxsf",    "fuse",   "gpfs", "orangefs",
                                         "pvfs2",  "panfs", "prl_fs",   "vmhgfs"};
    for (size_t i = 0; i < sizeof remote / sizeof *remote; i++)
        if (strcmp(type, remote[i]) == 0) return true;
    return strncmp(type, "fuse.", 5) == 0;
}

/* Undoes the octal escapes (\040 and the like) of mountinfo in place. */
static void unescape(char *s) {
    char *out = s;
    for (; *s; s++) {
        if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
            *out++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
            s += 3;
        } else {
            *out++ = *s;
        }
    }
    *out = '\0';
}

/* Whether `path` is `point` or below it. */
static bool covers(const char *point, const char *path) {
    size_t n = strlen(point);
    if (strcmp(point, "/") == 0) return path[0] == '/';
    return strncmp(point, path, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

/* One line: "36 35 98:0 /root /point options - type source superoptions". */
static bool parse_line(char *line, struct mount *mount) {
    char *rest = NULL, *fields[5];
    for (int i = 0; i < 5; i++)
        if (!(fields[i] = strtok_r(i == 0 ? line : NULL, " \n", &rest))) return false;
    char *field;
    do field = strtok_r(NULL, " \n", &rest);
    while (field && strcmp(field, "-") != 0);
    const char *type = field ? strtok_r(NULL, " \n", &rest) : NULL;
    if (!type) return false;
    unescape(fields[4]);
    if (strlen(fields[4]) >= sizeof mount->point) return false;
    strcpy(mount->point, fields[4]);
    snprintf(mount->type, sizeof mount->type, "%s", type);
    mount->id = strtoll(fields[0], NULL, 10);
    mount->remote = is_remote(mount->type);
    return true;
}

/* Calls `each` for every mount, in the order of the table: later ones cover earlier ones. */
static bool read_table(const char *table, void (*each)(void *context, const struct mount *mount), void *context,
                       struct error *error) {
    if (!table) table = "/proc/self/mountinfo";
    FILE *stream = fopen(table, "re");
    if (!stream) return error_system(error, errno, "cannot read %s", table);
    char *line = NULL;
    size_t room = 0;
    struct mount *mount = malloc(sizeof *mount);
    while (mount && getline(&line, &room, stream) > 0)
        if (parse_line(line, mount)) each(context, mount);
    bool no_memory = !mount;
    free(mount);
    free(line);
    fclose(stream);
    return !no_memory || error_memory(error);
}

struct search {
    const char *path;
    struct mount *best;
    bool found;
};

static void take_closest(void *context, const struct mount *mount) {
    struct search *search = context;
    if (!covers(mount->point, search->path)) return;
    if (search->found && strlen(mount->point) < strlen(search->best->point)) return;
    *search->best = *mount;
    search->found = true;
}

bool mounts_find(const char *path, const char *table, struct mount *mount, struct error *error) {
    struct search search = {path, mount, false};
    if (!read_table(table, take_closest, &search, error)) return false;
    return search.found || error_set(error, "%s: no mount holds it", path);
}

struct below {
    const char *path, *table;
    void (*found)(void *context, const char *point);
    void *context;
};

static void tell_below(void *context, const struct mount *mount) {
    const struct below *below = context;
    struct mount *seen = NULL;
    if (!mount->remote || !covers(below->path, mount->point) || strcmp(below->path, mount->point) == 0) return;
    seen = malloc(sizeof *seen);
    if (seen && mounts_find(mount->point, below->table, seen, NULL) && seen->id == mount->id) /* nothing covers it */
        below->found(below->context, mount->point);
    free(seen);
}

bool mounts_below(const char *path, const char *table, void (*found)(void *context, const char *point), void *context,
                  struct error *error) {
    struct below below = {path, table, found, context};
    return read_table(table, tell_below, &below, error);
}

struct sum {
    const char *path;
    uint64_t ids;
};

static void add_local(void *context, const struct mount *mount) {
    struct sum *sum = context;
    if (mount->remote || !covers(sum->path, mount->point) || strcmp(sum->path, mount->point) == 0) return;
    sum->ids += (uint64_t)mount->id;
}

bool mounts_local_below(const char *path, const char *table, uint64_t *sum, struct error *error) {
    struct sum found = {path, 0};
    bool ok = read_table(table, add_local, &found, error);
    *sum = found.ids;
    return ok;
}
