#include "engine/schedule/walk.h"

#include "engine/base/mounts.h"
#include "engine/base/path.h"
#include "engine/base/whole.h"
#include "engine/catalogue/catalogue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#define RULES_FILE ".sondeignore"
#define RULES_MAX  65536 /* bytes of it that count */

struct walker {
    struct walk_options options;
    char *own; /* options.own: one that hangs outlives its engine */
    char **roots;
    bool *are_folders; /* of the roots */
    size_t roots_count, roots_done;
    bool started;
    char **folders; /* still to be read, the last one next */
    size_t folders_count, folders_room;
    char **shares; /* remote file systems mounted below the root that is being walked */
    size_t shares_count;
    DIR *folder; /* being read, and its path */
    char *folder_path;
    struct walk_entry entries[WALK_BATCH + 1]; /* a folder's rules come with its first entry */
    size_t n;
    char problem[400];
};

struct walker *walker_new(const char *const *paths, size_t n, const struct walk_options *options) {
    struct walker *walker = calloc(1, sizeof *walker);
    if (!walker) return NULL;
    walker->options = *options;
    walker->roots = calloc(n, sizeof *walker->roots);
    walker->are_folders = calloc(n, sizeof *walker->are_folders);
    if (options->own) walker->options.own = walker->own = strdup(options->own);
    bool ok = walker->roots && walker->are_folders && (walker->own || !options->own);
    for (size_t i = 0; ok && i < n; i++) {
        walker->roots[i] = strdup(paths[i]);
        ok = walker->roots[i] != NULL;
        walker->roots_count += ok;
    }
    if (ok) return walker;
    walker_free(walker);
    return NULL;
}

static void clear_entries(struct walker *walker) {
    for (size_t i = 0; i < walker->n; i++) {
        free(walker->entries[i].path);
        free(walker->entries[i].rules);
    }
    walker->n = 0;
}

static void clear_shares(struct walker *walker) {
    while (walker->shares_count > 0) free(walker->shares[--walker->shares_count]);
    free(walker->shares);
    walker->shares = NULL;
}

void walker_free(struct walker *walker) {
    if (!walker) return;
    clear_entries(walker);
    clear_shares(walker);
    for (size_t i = 0; i < walker->folders_count; i++) free(walker->folders[i]);
    free(walker->folders);
    if (walker->folder) (void)closedir(walker->folder);
    free(walker->folder_path);
    for (size_t i = 0; i < walker->roots_count; i++) free(walker->roots[i]);
    free(walker->roots);
    free(walker->are_folders);
    free(walker->own);
    free(walker);
}

/* People keep these beside their sounds. Anything else is tried: sounds come under many names, and under none. */
bool walk_leaves_out(const char *name, bool hidden) {
    static const char *const others[] = {
        "jpg",  "jpeg",   "png",    "gif",   "bmp",    "webp", "tif",  "tiff", "svg",        "ico",  "heic",
        "psd",  "pdf",    "txt",    "md",    "rtf",    "doc",  "docx", "odt",  "xls",        "xlsx", "ods",
        "csv",  "tsv",    "json",   "jsonl", "xml",    "html", "htm",  "css",  "js",         "yml",  "yaml",
        "toml", "ini",    "cfg",    "conf",  "log",    "nfo",  "cue",  "m3u",  "m3u8",       "pls",  "lrc",
        "srt",  "sfv",    "md5",    "sha1",  "sha256", "zip",  "rar",  "7z",   "gz",         "bz2",  "xz",
        "zst",  "tar",    "tgz",    "iso",   "exe",    "dll",  "so",   "o",    "a",          "c",    "h",
        "cpp",  "hpp",    "py",     "pyc",   "sh",     "rs",   "go",   "java", "url",        "lnk",  "desktop",
        "db",   "db-wal", "db-shm", "lock",  "sqlite", "bak",  "tmp",  "part", "crdownload", "asd",  "reapeaks",
        "pkf",  "als",    "rpp",    "flp",   "logicx", "ptx",  "mid",  "midi", "sf2",        "sfz",  "jams",
    };
    if (name[0] == '.' && !hidden) return true;
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
static struct opened *add_entry(struct walker *walker, char *path, const struct stat *st, int code) {
    struct walk_entry *entry = &walker->entries[walker->n++];
    *entry = (struct walk_entry){.path = path, .seen.fd = -1};
    opener_judge(&entry->seen, st, code);
    return &entry->seen;
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
static void resolve_root(char **root, bool folder) {
    char *whole = NULL;
    if (folder) {
        whole = realpath(*root, NULL);
    } else {
        char *slash = strrchr(*root, '/');
        const char *name = slash ? slash + 1 : "";
        if (!slash || !name[0] || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return;
        *slash = '\0';
        char *parent = realpath((*root)[0] ? *root : "/", NULL);
        *slash = '/';
        if (parent && asprintf(&whole, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, name) < 0) whole = NULL;
        free(parent);
    }
    if (!whole) return;
    free(*root);
    *root = whole;
}

static void add_share(void *context, const char *point) {
    struct walker *walker = context;
    char **grown = realloc(walker->shares, (walker->shares_count + 1) * sizeof *grown);
    if (grown) walker->shares = grown;
    char *copy = grown ? strdup(point) : NULL;
    if (copy) walker->shares[walker->shares_count++] = copy;
}

static bool is_share(const struct walker *walker, const char *path) {
    for (size_t i = 0; i < walker->shares_count; i++)
        if (strcmp(walker->shares[i], path) == 0) return true;
    return false;
}

/* Whether the folder that it lies in lists it as a regular file. */
static bool is_listed(const char *path) {
    const char *name = path_name(path);
    char *folder = path_folder(path);
    DIR *listing = folder ? opendir(folder) : NULL;
    const struct dirent *found = NULL;
    bool listed = false;
    while (listing && !listed && (found = readdir(listing)))
        listed = found->d_type == DT_REG && strcmp(found->d_name, name) == 0;
    if (listing) (void)closedir(listing);
    free(folder);
    return listed;
}

static void start_root(struct walker *walker, size_t index) {
    char **root = &walker->roots[index];
    struct stat st;
    int code = stat(*root, &st) == 0 ? 0 : errno;
    bool folder = code == 0 && S_ISDIR(st.st_mode);
    walker->are_folders[index] = folder;
    resolve_root(root, folder);
    clear_shares(walker);
    if (folder) (void)mounts_below(*root, NULL, add_share, walker, NULL);
    char *path = strdup(*root);
    if (!path) {
        complain(walker, "left out", *root, ENOMEM);
    } else if (folder) {
        add_folder(walker, path);
    } else {
        struct stat link;
        bool dangling = code == ENOENT && lstat(*root, &link) == 0 && S_ISLNK(link.st_mode);
        struct opened *seen = add_entry(walker, path, &st, code);
        seen->listed = seen->passing && is_listed(path);
        if (!dangling) return;
        seen->missing = false;
        (void)snprintf(seen->reason, sizeof seen->reason, "is a symbolic link to something that isn't there");
    }
}

/* What the folder's .sondeignore says, as an entry before those of its files. */
static void read_rules(struct walker *walker) {
    int fd = openat(dirfd(walker->folder), RULES_FILE, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    if (fd < 0) return;
    char *text = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? calloc(1, RULES_MAX + 1) : NULL;
    char *folder = text ? strdup(walker->folder_path) : NULL;
    size_t got = 0;
    if (folder) (void)whole_read(fd, text, RULES_MAX, &got);
    close(fd);
    if (folder)
        walker->entries[walker->n++] = (struct walk_entry){.path = folder, .seen.fd = -1, .rules = text};
    else
        free(text);
}

/* Opens the next folder. False: there is none. */
static bool next_folder(struct walker *walker) {
    while (!walker->folder && walker->folders_count > 0) {
        free(walker->folder_path);
        walker->folder_path = walker->folders[--walker->folders_count];
        walker->folder = opendir(walker->folder_path);
        if (!walker->folder)
            complain(walker, "cannot look into the folder", walker->folder_path, errno);
        else if (walker->options.rules)
            read_rules(walker);
    }
    return walker->folder != NULL;
}

static void look_at(struct walker *walker, const struct dirent *found) {
    const char *name = found->d_name;
    struct stat st;
    char *path = NULL;
    if (walk_leaves_out(name, walker->options.hidden)) return;
    const char *folder = strcmp(walker->folder_path, "/") == 0 ? "" : walker->folder_path;
    if (asprintf(&path, "%s/%s", folder, name) < 0) {
        complain(walker, "left out", name, ENOMEM);
        return;
    }
    if (walker->options.own && catalogue_owns(walker->options.own, path)) {
        free(path);
        return;
    }
    if (is_share(walker, path)) {
        walker->entries[walker->n++] = (struct walk_entry){.path = path, .seen.fd = -1, .share = true};
        return;
    }
    if (lstat(path, &st) != 0) {
        if (errno == ENOENT)
            free(path); /* it has gone since its name was read: whoever compares with what is known will notice */
        else
            add_entry(walker, path, &st, errno)->listed = found->d_type == DT_REG;
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
    struct opened *seen = add_entry(walker, path, &st, code);
    if (!link || !seen->missing) return;
    seen->missing = false;
    (void)snprintf(seen->reason, sizeof seen->reason, "is a symbolic link to something that isn't there");
}

/* The next entry of the folder that is being read. */
static void step_in_folder(struct walker *walker) {
    errno = 0;
    const struct dirent *entry = readdir(walker->folder);
    if (entry) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) look_at(walker, entry);
        return;
    }
    if (errno != 0) complain(walker, "cannot read the rest of the folder", walker->folder_path, errno);
    (void)closedir(walker->folder);
    walker->folder = NULL;
}

void walker_step(struct walker *walker) {
    uint64_t end = uv_hrtime() + (uint64_t)(WALK_BATCH_SECONDS * 1e9);
    clear_entries(walker);
    walker->problem[0] = '\0';
    walker->started = true;
    while (walker->n < WALK_BATCH && uv_hrtime() < end) {
        if (next_folder(walker))
            step_in_folder(walker);
        else if (walker->roots_done < walker->roots_count)
            start_root(walker, walker->roots_done++);
        else
            break;
    }
}

struct walk_entry *walker_entries(struct walker *walker, size_t *n) {
    *n = walker->n;
    return walker->entries;
}

bool walker_is_over(const struct walker *walker) {
    return walker->roots_done == walker->roots_count && !walker->folder && walker->folders_count == 0;
}

bool walker_has_started(const struct walker *walker) {
    return walker->started;
}

const char *walker_problem(const struct walker *walker) {
    return walker->problem[0] ? walker->problem : NULL;
}

const char *walker_root(const struct walker *walker, size_t index) {
    return walker->roots[index];
}

bool walker_root_is_folder(const struct walker *walker, size_t index) {
    return walker->are_folders[index];
}

size_t walker_roots(const struct walker *walker) {
    return walker->roots_count;
}
