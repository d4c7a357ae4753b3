#include "engine/cli/lookout.h"

#include "engine/cli/choices.h"
#include "engine/cli/config.h"
#include "engine/cli/places.h"
#include "engine/errands/errands.h"
#include "engine/schedule/engine.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RESOURCES_MAX 2000 /* files that are looked at, of one plugin */
#define DEPTH_MAX     8
#define PATIENCE      60.0 /* s for one look */

struct lookout {
    uv_timer_t timer;
    struct errands *errands;
    const struct config *config;
    char known[HASH_TEXT], last[HASH_TEXT];
    bool looking;
    unsigned open; /* handles and errands that are still going away */
    void (*changed)(void *user);
    void *user;
};

/* A look on its way through the thread. It has all it needs, for it may outlive the lookout if it hangs. */
struct look {
    struct lookout *lookout;
    struct config *config;
    bool ok;
    char sight[HASH_TEXT];
};

/* ------------------------------------------------------------------------------------------------------------- looking */

static void add_facts(struct hash *hash, const char *name, const struct stat *st, bool with_change) {
    const int64_t facts[] = {(int64_t)st->st_dev,
                             (int64_t)st->st_ino,
                             st->st_size,
                             st->st_mtim.tv_sec,
                             st->st_mtim.tv_nsec,
                             with_change ? st->st_ctim.tv_sec : 0,
                             with_change ? st->st_ctim.tv_nsec : 0};
    hash_add_text(hash, name);
    hash_add(hash, facts, sizeof facts);
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Everything below a folder of resources. */
static void add_folder(struct hash *hash, int parent, const char *name, int depth, unsigned *files) {
    struct dirent **entries = NULL;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int count = fd >= 0 ? scandirat(fd, ".", &entries, NULL, by_name) : -1;
    for (int i = 0; i < count; i++) {
        struct stat st;
        const char *entry = entries[i]->d_name;
        if (strcmp(entry, ".") != 0 && strcmp(entry, "..") != 0 && ++*files <= RESOURCES_MAX &&
            fstatat(fd, entry, &st, AT_SYMLINK_NOFOLLOW) == 0) {
            if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
                add_folder(hash, fd, entry, depth + 1, files);
            else
                add_facts(hash, entry, &st, false);
        }
        free(entries[i]);
    }
    free(entries);
    if (fd >= 0) close(fd);
}

static void add_library(struct hash *hash, const struct engine_library *library) {
    struct stat st;
    unsigned files = 0;
    hash_add_text(hash, library->path);
    hash_add_text(hash, library->refused);
    if (stat(library->path, &st) == 0) add_facts(hash, "", &st, true);
    if (library->resources) add_folder(hash, AT_FDCWD, library->resources, 0, &files);
}

static void add_choices(struct hash *hash, const struct config *config) {
    struct choices choices;
    (void)choices_open(&choices, config, false, NULL); /* a broken file is a state like any other */
    for (size_t i = 0; i < choices.disabled_count; i++) hash_add_text(hash, choices.disabled[i]);
    for (size_t i = 0; i < choices.rankings_count; i++) {
        hash_add_text(hash, choices.rankings[i].interface);
        for (size_t k = 0; k < choices.rankings[i].plugins_count; k++)
            hash_add_text(hash, choices.rankings[i].plugins[k]);
    }
    choices_close(&choices);
}

bool lookout_sight(const struct config *config, char sight[HASH_TEXT]) {
    struct places_plugins plugins;
    struct hash *hash = hash_new();
    bool ok = hash != NULL;
    if (ok && places_find_plugins(config, &plugins, NULL)) {
        for (size_t i = 0; i < plugins.count; i++)
            if (plugins.libraries[i].third_party) add_library(hash, &plugins.libraries[i]);
        places_free_plugins(&plugins);
    }
    if (ok) {
        add_choices(hash, config);
        hash_text(hash, sight);
    }
    hash_free(hash);
    return ok;
}

/* -------------------------------------------------------------------------------------------------------------- errand */

static void look_work(void *argument) {
    struct look *look = argument;
    look->ok = lookout_sight(look->config, look->sight);
}

static void look_drop(void *argument) {
    struct look *look = argument;
    config_free(look->config);
    free(look);
}

static void look_done(void *argument, bool returned) {
    struct look *look = argument;
    struct lookout *lookout = look->lookout;
    lookout->looking = false;
    if (!returned) return; /* it hangs, and goes by itself one day */
    bool still = look->ok && strcmp(look->sight, lookout->last) == 0;
    bool news = still && strcmp(look->sight, lookout->known) != 0;
    if (look->ok) memcpy(lookout->last, look->sight, HASH_TEXT);
    if (news) memcpy(lookout->known, look->sight, HASH_TEXT);
    look_drop(look);
    if (news) lookout->changed(lookout->user);
}

static const struct errand_calls calls = {look_work, look_done, look_drop};

static void on_timer(uv_timer_t *timer) {
    struct lookout *lookout = timer->data;
    struct look *look = lookout->looking ? NULL : calloc(1, sizeof *look);
    if (!look) return;
    look->lookout = lookout;
    look->config = config_share(lookout->config);
    if (errands_post(lookout->errands, &calls, look, PATIENCE))
        lookout->looking = true;
    else
        look_drop(look);
}

/* -------------------------------------------------------------------------------------------------------- coming, going */

static void on_closed(uv_handle_t *handle) {
    struct lookout *lookout = handle->data;
    lookout->open--;
}

static void on_errands_closed(void *context) {
    struct lookout *lookout = context;
    lookout->open--;
}

struct lookout *lookout_new(uv_loop_t *loop, const struct config *config, const char *sight, double seconds,
                            void (*changed)(void *user), void *user, struct error *error) {
    struct lookout *lookout = calloc(1, sizeof *lookout);
    if (lookout) lookout->errands = errands_new(loop, 1, error);
    if (!lookout || !lookout->errands) {
        free(lookout);
        error_memory(error);
        return NULL;
    }
    lookout->config = config;
    lookout->changed = changed;
    lookout->user = user;
    memcpy(lookout->known, sight, HASH_TEXT);
    memcpy(lookout->last, sight, HASH_TEXT);
    (void)uv_timer_init(loop, &lookout->timer);
    lookout->timer.data = lookout;
    (void)uv_timer_start(&lookout->timer, on_timer, (uint64_t)(seconds * 1000), (uint64_t)(seconds * 1000));
    return lookout;
}

void lookout_free(struct lookout *lookout) {
    if (!lookout) return;
    uv_loop_t *loop = lookout->timer.loop;
    lookout->open = 2;
    uv_close((uv_handle_t *)&lookout->timer, on_closed);
    errands_free(lookout->errands, on_errands_closed, lookout);
    while (lookout->open > 0) (void)uv_run(loop, UV_RUN_ONCE);
    free(lookout);
}
