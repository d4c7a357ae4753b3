#include "engine/schedule/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <uv.h>

struct walker {
    char *root;
    bool started;
    char **folders; /* still to be read, the last one next */
    size_t folders_count, folders_room;
    DIR *folder; /* being read, and its path */
    char *folder_path;
    struct walk_entry entries[WALK_BATCH];
    size_t n;
    char problem[400];
};

struct walker *walker_new(const char *path) {
    struct walker *walker = calloc(1, sizeof *walker);
    if (!walker) return NULL;
    walker->root = strdup(path);
    if (walker->root) return walker;
    free(walker);
    return NULL;
}

static void clear_entries(struct walker *walker) {
    for (size_t i = 0; i < walker->n; i++) free(walker->entries[i].path);
    walker->n = 0;
}

void walker_free(struct walker *walker) {
    if (!walker) return;
    clear_entries(walker);
    for (size_t i = 0; i < walker->folders_count; i++) free(walker->folders[i]);
    free(walker->folders);
    if (walker->folder) (void)closedir(walker->folder);
    free(walker->folder_path);
    free(walker->root);
    free(walker);
}

/* People keep these beside their sounds. Anything else is tried: sounds come under many names, and under none. */
bool walk_leaves_out(const char *name) {
    static const char *const others[] = {
        "jpg",  "jpeg",   "png",    "gif",   "bmp",    "webp", "tif",  "tiff", "svg",        "ico",  "heic",
        "psd",  "pdf",    "txt",    "md",    "rtf",    "doc",  "docx", "odt",  "xls",        "xlsx", "ods",
        "csv",  "tsv",    "json",   "jsonl", "xml",    "html", "htm",  "css",  "js",         "yml",  "yaml",
        "toml", "ini",    "cfg",    "conf",  "log",    "nfo",  "cue",  "m3u",  "m3u8",       "pls",  "lrc",
        "srt",  "sfv",    "md5",    "sha1",  "sha256", "zip",  "rar",  "7z",   "gz",         "bz2",  "xz",
        "zst",  "tar",    "tgz",    "iso",   "exe",    "dll",  "so",   "o",    "a",          "c",    "h",
        "cpp",  "hpp",    "py",     "pyc",   "sh",     "rs",   "go",   "java", "url",        "lnk",  "desktop",
        "db",   "db-wal", "db-shm", "lock",  "sqlite", "bak",  "tmp",  "part", "crdownload", "asd",  "reapeaks",
        "pkf",  "als",    "rpp",    "flp",   "logicx", "ptx",  "mid",  "midi", "sf2",        "sfz",
    };
    if (name[0] == '.') return true;
    const char *dot = strrchr(name, '.');
    if (!dot) return false;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcasecmp(dot + 1, others[i]) == 0) return true;
    return false;
}

static void complain(struct walker *walker, const char *what, const char *path, int code) {
    (void)snprintf(walker->problem, sizeof walker->problem, "%s %.250s: %s", what, path, strerror(code));
}

/* Takes `path`. */
static void add_entry(struct walker *walker, char *path, const struct stat *st, int code) {
    struct walk_entry *entry = &walker->entries[walker->n++];
    *entry = (struct walk_entry){.path = path, .seen.fd = -1};
    opener_judge(&entry->seen, st, code);
}

static void add_folder(struct walker *walker, char *path) {
    if (walker->folders_count == walker->folders_room) {
        size_t room = walker->folders_room ? 2 * walker->folders_room : 16;
        void *grown = realloc(walker->folders, room * sizeof *walker->folders);
        if (!grown) {
            complain(walker, "left out", path, ENOMEM);
            free(path);
            return;
        }
        walker->folders = grown;
        walker->folders_room = room;
    }
    walker->folders[walker->folders_count++] = path;
}

/* The path without "..", "." and links among its folders, so that one file has one name. A link to a file keeps its own. */
static void resolve_root(struct walker *walker, bool folder) {
    char *whole = NULL;
    if (folder) {
        whole = realpath(walker->root, NULL);
    } else {
        char *slash = strrchr(walker->root, '/');
        const char *name = slash ? slash + 1 : "";
        if (!slash || !name[0] || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return;
        *slash = '\0';
        char *parent = realpath(walker->root[0] ? walker->root : "/", NULL);
        *slash = '/';
        if (parent && asprintf(&whole, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, name) < 0) whole = NULL;
        free(parent);
    }
    if (!whole) return;
    free(walker->root);
    walker->root = whole;
}

static void start(struct walker *walker) {
    struct stat st;
    walker->started = true;
    int code = stat(walker->root, &st) == 0 ? 0 : errno;
    bool folder = code == 0 && S_ISDIR(st.st_mode);
    resolve_root(walker, folder);
    char *path = strdup(walker->root);
    if (!path) {
        complain(walker, "left out", walker->root, ENOMEM);
    } else if (folder) {
        add_folder(walker, path);
    } else {
        struct stat link;
        bool dangling = code == ENOENT && lstat(walker->root, &link) == 0 && S_ISLNK(link.st_mode);
        add_entry(walker, path, &st, code);
        if (!dangling) return;
        struct opened *seen = &walker->entries[walker->n - 1].seen;
        seen->missing = false;
        (void)snprintf(seen->reason, sizeof seen->reason, "is a symbolic link to something that isn't there");
    }
}

/* Opens the next folder. False: there is none. */
static bool next_folder(struct walker *walker) {
    while (!walker->folder && walker->folders_count > 0) {
        free(walker->folder_path);
        walker->folder_path = walker->folders[--walker->folders_count];
        walker->folder = opendir(walker->folder_path);
        if (!walker->folder) complain(walker, "cannot look into the folder", walker->folder_path, errno);
    }
    return walker->folder != NULL;
}

static void look_at(struct walker *walker, const char *name) {
    struct stat st;
    char *path = NULL;
    if (walk_leaves_out(name)) return;
    const char *folder = strcmp(walker->folder_path, "/") == 0 ? "" : walker->folder_path;
    if (asprintf(&path, "%s/%s", folder, name) < 0) {
        complain(walker, "left out", name, ENOMEM);
        return;
    }
    if (lstat(path, &st) != 0) {
        add_entry(walker, path, &st, errno);
        return;
    }
    if (S_ISDIR(st.st_mode)) {
        add_folder(walker, path);
        return;
    }
    bool link = S_ISLNK(st.st_mode);
    int code = link && stat(path, &st) != 0 ? errno : 0;
    if (link && code == 0 && S_ISDIR(st.st_mode)) {
        free(path); /* not followed: it may lead in a circle */
        return;
    }
    add_entry(walker, path, &st, code);
    struct opened *seen = &walker->entries[walker->n - 1].seen;
    if (!link || !seen->missing) return;
    seen->missing = false;
    (void)snprintf(seen->reason, sizeof seen->reason, "is a symbolic link to something that isn't there");
}

void walker_step(struct walker *walker) {
    uint64_t end = uv_hrtime() + (uint64_t)(WALK_BATCH_SECONDS * 1e9);
    clear_entries(walker);
    walker->problem[0] = '\0';
    if (!walker->started) start(walker);
    while (walker->n < WALK_BATCH && uv_hrtime() < end && next_folder(walker)) {
        errno = 0;
        const struct dirent *entry = readdir(walker->folder);
        if (entry) {
            if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) look_at(walker, entry->d_name);
            continue;
        }
        if (errno != 0) complain(walker, "cannot read the rest of the folder", walker->folder_path, errno);
        (void)closedir(walker->folder);
        walker->folder = NULL;
    }
}

struct walk_entry *walker_entries(struct walker *walker, size_t *n) {
    *n = walker->n;
    return walker->entries;
}

bool walker_is_over(const struct walker *walker) {
    return walker->started && !walker->folder && walker->folders_count == 0;
}

bool walker_has_started(const struct walker *walker) {
    return walker->started;
}

const char *walker_problem(const struct walker *walker) {
    return walker->problem[0] ? walker->problem : NULL;
}

const char *walker_root(const struct walker *walker) {
    return walker->root;
}
