#include "engine/watch/ignore.h"

#include "engine/base/path.h"
#include "engine/base/whole.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_FILE = 65536 };

struct rule {
    char *glob;
    bool negated; /* lets in again */
    bool folders_only;
    bool anchored; /* matched against the path below `folder`, else against the name */
};

/* The rules of one folder. */
struct rule_set {
    char *folder; /* without a slash at the end; "" is the root folder */
    struct rule *rules;
    size_t count;
};

struct ignore {
    bool hidden;
    struct rule *includes, *excludes;
    size_t includes_count, excludes_count;
    struct rule_set *sets; /* in the order of their folders' lengths, so that deeper rules come later */
    size_t sets_count;
};

static const char *const junk[] = {".DS_Store",  "Thumbs.db", "desktop.ini", "*.part",  "*.partial", "*.crdownload",
                                   "*.download", "*.tmp",     "*~",          ".~lock*", "*.!ut",     "*.aria2"};

static bool add_rule(struct rule **rules, size_t *count, const char *glob, size_t n, bool negated) {
    struct rule *grown = realloc(*rules, (*count + 1) * sizeof *grown);
    if (!grown) return false;
    *rules = grown;
    struct rule rule = {.negated = negated};
    if (n > 0 && glob[n - 1] == '/') {
        rule.folders_only = true;
        n--;
    }
    rule.anchored = memchr(glob, '/', n) != NULL;
    if (n > 0 && glob[0] == '/') {
        glob++;
        n--;
    }
    rule.glob = strndup(glob, n);
    if (!rule.glob) return false;
    (*rules)[(*count)++] = rule;
    return true;
}

static void free_rules(struct rule *rules, size_t count) {
    for (size_t i = 0; i < count; i++) free(rules[i].glob);
    free(rules);
}

static bool add_list(struct rule **rules, size_t *count, const char *list) {
    while (list && *list) {
        size_t n = strcspn(list, " :");
        if (n > 0 && !add_rule(rules, count, list, n, false)) return false;
        list += n + strspn(list + n, " :");
    }
    return true;
}

struct ignore *ignore_new(bool hidden, const char *include, const char *exclude) {
    struct ignore *ignore = calloc(1, sizeof *ignore);
    if (!ignore) return NULL;
    ignore->hidden = hidden;
    if (add_list(&ignore->includes, &ignore->includes_count, include) &&
        add_list(&ignore->excludes, &ignore->excludes_count, exclude))
        return ignore;
    ignore_free(ignore);
    return NULL;
}

static void free_set(struct rule_set *set) {
    free(set->folder);
    free_rules(set->rules, set->count);
}

void ignore_free(struct ignore *ignore) {
    if (!ignore) return;
    free_rules(ignore->includes, ignore->includes_count);
    free_rules(ignore->excludes, ignore->excludes_count);
    for (size_t i = 0; i < ignore->sets_count; i++) free_set(&ignore->sets[i]);
    free(ignore->sets);
    free(ignore);
}

static void remove_set(struct ignore *ignore, size_t index) {
    free_set(&ignore->sets[index]);
    memmove(&ignore->sets[index], &ignore->sets[index + 1], (ignore->sets_count - index - 1) * sizeof *ignore->sets);
    ignore->sets_count--;
}

/* Length of `folder` without slashes at its end. */
static size_t folder_length(const char *folder) {
    size_t n = strlen(folder);
    while (n > 0 && folder[n - 1] == '/') n--;
    return n;
}

/* What follows `folder` in `path`, or NULL if `path` isn't below it. */
static const char *below(const char *path, const char *folder, size_t n) {
    if (strncmp(path, folder, n) != 0 || path[n] != '/') return NULL;
    return path + n + 1;
}

void ignore_forget_folder(struct ignore *ignore, const char *folder) {
    size_t n = folder_length(folder);
    for (size_t i = ignore->sets_count; i-- > 0;) {
        const char *own = ignore->sets[i].folder;
        if ((strlen(own) == n && memcmp(own, folder, n) == 0) || below(own, folder, n)) remove_set(ignore, i);
    }
}

static bool parse_lines(struct rule_set *set, const char *text) {
    while (*text) {
        size_t line = strcspn(text, "\n"), n = line;
        while (n > 0 && strchr(" \t\r", text[n - 1])) n--;
        bool negated = n > 0 && text[0] == '!';
        if (n > (negated ? 1u : 0u) && text[0] != '#' &&
            !add_rule(&set->rules, &set->count, text + negated, n - negated, negated))
            return false;
        text += line + (text[line] == '\n');
    }
    return true;
}

/* The file's text, at most MAX_FILE bytes; "" when it can't be read. Caller frees. */
static char *read_text(const char *folder, size_t n) {
    char *path = NULL;
    if (asprintf(&path, "%.*s/" IGNORE_FILE, (int)n, folder) < 0) return NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    free(path);
    char *text = calloc(1, MAX_FILE + 1);
    size_t got = 0;
    if (fd >= 0 && text) (void)whole_read(fd, text, MAX_FILE, &got);
    if (fd >= 0) close(fd);
    return text;
}

bool ignore_read_folder(struct ignore *ignore, const char *folder) {
    char *text = read_text(folder, folder_length(folder));
    bool ok = text && ignore_set_folder(ignore, folder, text);
    free(text);
    return ok;
}

bool ignore_set_folder(struct ignore *ignore, const char *folder, const char *text) {
    size_t n = folder_length(folder);
    for (size_t i = ignore->sets_count; i-- > 0;)
        if (strlen(ignore->sets[i].folder) == n && memcmp(ignore->sets[i].folder, folder, n) == 0)
            remove_set(ignore, i);
    struct rule_set set = {.folder = strndup(folder, n)};
    bool ok = set.folder && parse_lines(&set, text);
    if (!ok || set.count == 0) {
        free_set(&set);
        return ok;
    }
    struct rule_set *grown = realloc(ignore->sets, (ignore->sets_count + 1) * sizeof *grown);
    if (!grown) {
        free_set(&set);
        return false;
    }
    ignore->sets = grown;
    size_t at = ignore->sets_count;
    while (at > 0 && strlen(grown[at - 1].folder) > n) at--;
    memmove(&grown[at + 1], &grown[at], (ignore->sets_count - at) * sizeof *grown);
    grown[at] = set;
    ignore->sets_count++;
    return true;
}

static bool rule_matches(const struct rule *rule, const char *relative, const char *name, bool is_folder) {
    if (rule->folders_only && !is_folder) return false;
    return fnmatch(rule->glob, rule->anchored ? relative : name, rule->anchored ? FNM_PATHNAME : 0) == 0;
}

bool ignore_matches(const struct ignore *ignore, const char *path, bool is_folder) {
    const char *name = path_name(path);
    bool out = name[0] == '.' && !ignore->hidden;
    for (size_t i = 0; !out && i < sizeof junk / sizeof *junk; i++) out = fnmatch(junk[i], name, 0) == 0;
    if (ignore->includes_count > 0 && !is_folder && !out) {
        out = true;
        for (size_t i = 0; i < ignore->includes_count && out; i++)
            out = !rule_matches(&ignore->includes[i], path + 1, name, is_folder);
    }
    for (size_t i = 0; i < ignore->excludes_count && !out; i++)
        out = rule_matches(&ignore->excludes[i], path + 1, name, is_folder);
    for (size_t s = 0; s < ignore->sets_count; s++) {
        const struct rule_set *set = &ignore->sets[s];
        const char *relative = below(path, set->folder, strlen(set->folder));
        for (size_t i = 0; relative && i < set->count; i++)
            if (rule_matches(&set->rules[i], relative, name, is_folder)) out = !set->rules[i].negated;
    }
    return out;
}

bool ignore_matches_below(const struct ignore *ignore, const char *path, size_t root, bool is_folder) {
    if (ignore_matches(ignore, path, is_folder)) return true;
    char *part = strdup(path);
    bool out = false; /* out of memory: rather one file too many than one that is missing */
    for (char *slash = part ? strrchr(part, '/') : NULL; !out && slash && slash > part + root;
         slash = strrchr(part, '/')) {
        *slash = '\0';
        out = ignore_matches(ignore, part, true);
    }
    free(part);
    return out;
}
