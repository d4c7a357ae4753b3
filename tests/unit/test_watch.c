/* engine/watch: what is junk, what is on a network, when a file is whole, and a real folder with real events. */
#include "engine/watch/folders.h"
#include "engine/watch/ignore.h"
#include "engine/base/mounts.h"
#include "engine/watch/settle.h"
#include "engine/watch/watch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A folder of the test's own, with the names of what it does in it. */
struct place {
    char folder[64];
    char path[400]; /* the last made by `at` */
};

static const char *at(struct place *place, const char *name) {
    snprintf(place->path, sizeof place->path, "%s/%s", place->folder, name);
    return place->path;
}

static void place_make(struct place *place) {
    strcpy(place->folder, "/tmp/sonde-watch-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
}

static void place_remove(struct place *place) {
    char command[200];
    snprintf(command, sizeof command, "rm -rf '%s'", place->folder);
    assert_int_equal(system(command), 0);
}

static void write_text(const char *path, const char *text) {
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    assert_true(fputs(text, stream) >= 0);
    assert_int_equal(fclose(stream), 0);
}

/* ---------------------------------------------------------------------------------------------------------- ignore */

static void junk_and_hidden_names_are_out(void **state) {
    (void)state;
    struct ignore *ignore = ignore_new(false, NULL, NULL);
    assert_non_null(ignore);
    static const char *const out[] = {"/m/.DS_Store", "/m/a.wav.part", "/m/b.crdownload", "/m/c.wav~",
                                      "/m/.hidden.wav"};
    for (size_t i = 0; i < sizeof out / sizeof *out; i++) assert_true(ignore_matches(ignore, out[i], false));
    assert_false(ignore_matches(ignore, "/m/part.wav", false));
    assert_false(ignore_matches(ignore, "/m/caf\xe9.wav", false)); /* not UTF-8 */
    ignore_free(ignore);
    ignore = ignore_new(true, "*.wav *.flac", "*-old*");
    assert_false(ignore_matches(ignore, "/m/.hidden.wav", false));
    assert_true(ignore_matches(ignore, "/m/a.mp3", false));
    assert_true(ignore_matches(ignore, "/m/a-old.wav", false));
    assert_false(ignore_matches(ignore, "/m/folder", true));
    ignore_free(ignore);
}

static void sondeignore_rules_hold_below_their_folder(void **state) {
    (void)state;
    struct place place;
    place_make(&place);
    assert_int_equal(mkdir(at(&place, "sub"), 0700), 0);
    write_text(at(&place, ".sondeignore"), "# takes\n*.mp3\n!keep.mp3\nraw/\n/top.wav\nsub/deep.wav\r\n");
    write_text(at(&place, "sub/.sondeignore"), "!*.mp3\n");
    struct ignore *ignore = ignore_new(false, NULL, NULL);
    assert_true(ignore_read_folder(ignore, place.folder));
    assert_true(ignore_matches(ignore, at(&place, "x/a.mp3"), false));
    assert_false(ignore_matches(ignore, at(&place, "keep.mp3"), false));
    assert_true(ignore_matches(ignore, at(&place, "x/raw"), true));
    assert_false(ignore_matches(ignore, at(&place, "x/raw"), false));
    assert_true(ignore_matches(ignore, at(&place, "top.wav"), false));
    assert_false(ignore_matches(ignore, at(&place, "x/top.wav"), false));
    assert_true(ignore_matches(ignore, at(&place, "sub/deep.wav"), false));
    assert_true(ignore_matches(ignore, at(&place, "sub/a.mp3"), false));
    char sub[400];
    strcpy(sub, at(&place, "sub"));
    assert_true(ignore_read_folder(ignore, sub));
    assert_false(ignore_matches(ignore, at(&place, "sub/a.mp3"), false));
    assert_false(ignore_matches(ignore, "/elsewhere/a.mp3", false));
    ignore_forget_folder(ignore, place.folder);
    assert_false(ignore_matches(ignore, at(&place, "x/a.mp3"), false));
    ignore_free(ignore);
    place_remove(&place);
}

/* ---------------------------------------------------------------------------------------------------------- mounts */

static void mounts_tell_what_has_to_be_swept(void **state) {
    (void)state;
    struct place place;
    place_make(&place);
    write_text(at(&place, "table"), "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
                                    "2 1 0:40 / /mnt/big\\040disk rw,noatime shared:1 - nfs4 server:/x rw\n"
                                    "3 1 0:41 / /home/x/remote rw - fuse.sshfs host: rw\n"
                                    "nonsense\n");
    struct mount mount;
    assert_true(mounts_find("/mnt/big disk/a/b.wav", place.path, &mount, NULL));
    assert_string_equal(mount.type, "nfs4");
    assert_true(mount.remote);
    assert_true(mounts_find("/mnt/big disks/a.wav", place.path, &mount, NULL));
    assert_string_equal(mount.type, "ext4");
    assert_false(mount.remote);
    assert_true(mounts_find("/home/x/remote", place.path, &mount, NULL));
    assert_true(mount.remote);
    assert_true(mounts_find("/", NULL, &mount, NULL));
    place_remove(&place);
}

/* --------------------------------------------------------------------------------------------------------- folders */

static void folders_keep_their_paths_through_moves(void **state) {
    (void)state;
    struct folders *folders = folders_new();
    struct folder *root = folders_add(folders, NULL, "/m", 1), *a = folders_add(folders, root, "a", 2);
    struct folder *b = folders_add(folders, a, "b", 3);
    for (int i = 4; i < 500; i++) {
        char name[20];
        snprintf(name, sizeof name, "f%d", i);
        assert_non_null(folders_add(folders, b, name, i));
    }
    assert_int_equal(folders_watched(folders), 499);
    assert_true(folders_move(folders, b, root, "c"));
    char *path = folders_path(folders_by_wd(folders, 77), "x.wav");
    assert_string_equal(path, "/m/c/f77/x.wav");
    free(path);
    folders_remove(folders, b, NULL, NULL);
    assert_null(folders_by_wd(folders, 77));
    assert_int_equal(folders_watched(folders), 2);
    for (int i = 1000; i < 5000; i++) { /* descriptors that come and go leave no trace */
        struct folder *f = folders_add(folders, a, "t", i);
        assert_non_null(f);
        assert_ptr_equal(folders_by_wd(folders, i), f);
        folders_remove(folders, f, NULL, NULL);
    }
    folders_free(folders);
}

/* ---------------------------------------------------------------------------------------------------------- settle */

static void count_settled(void *context, const char *path) {
    (void)path;
    ++*(int *)context;
}

static void look(struct settle *settle, double now, size_t max, int *settled) {
    struct settle_batch *batch = settle_due(settle, 0, now, max);
    if (!batch) return;
    settle_batch_look(batch);
    settle_take(settle, batch, now, count_settled, settled);
}

static void a_slow_copy_settles_once_when_done(void **state) {
    (void)state;
    struct place place;
    place_make(&place);
    struct settle *settle = settle_new((struct settle_delays){0.25, 5, 600});
    char path[400];
    strcpy(path, at(&place, "copy.wav"));
    int settled = 0;
    double t = 0;
    for (int i = 0; i < 50; i++, t += 20) { /* a writer that pauses for 20 s between blocks */
        FILE *stream = fopen(path, "a");
        fputs("block", stream);
        fclose(stream);
        settle_touch(settle, path, 0, SETTLE_WRITING, t);
        look(settle, t, 100, &settled);
        look(settle, t + 19, 100, &settled);
    }
    assert_int_equal(settled, 0);
    settle_touch(settle, path, 0, SETTLE_CLOSED, t);
    look(settle, t, 100, &settled);
    look(settle, t + 0.1, 100, &settled);
    assert_int_equal(settled, 0);
    look(settle, t + 0.3, 100, &settled);
    assert_int_equal(settled, 1);
    look(settle, t + 1000, 100, &settled);
    assert_int_equal(settled, 1);
    settle_free(settle);
    place_remove(&place);
}

static void many_files_settle_and_vanished_ones_are_forgotten(void **state) {
    (void)state;
    struct place place;
    place_make(&place);
    struct settle *settle = settle_new((struct settle_delays){0.25, 5, 600});
    for (int i = 0; i < 1000; i++) {
        char name[40];
        snprintf(name, sizeof name, "%d.wav", i);
        if (i % 4 != 0) write_text(at(&place, name), "x");
        assert_true(settle_touch(settle, at(&place, name), 0, SETTLE_CLOSED, 0));
    }
    settle_forget(settle, at(&place, "1.wav"), false);
    assert_int_equal(settle_waiting(settle), 999);
    int settled = 0;
    for (int i = 0; i < 20; i++) look(settle, 0, 50, &settled);
    assert_int_equal(settled, 0);
    for (int i = 0; i < 30; i++) look(settle, 1, 50, &settled);
    assert_int_equal(settled, 749);
    assert_int_equal(settle_waiting(settle), 0);
    assert_true(settle_touch(settle, at(&place, "2.wav"), 0, SETTLE_CLOSED, 2));
    settle_forget(settle, place.folder, true);
    assert_int_equal(settle_waiting(settle), 0);
    settle_free(settle);
    place_remove(&place);
}

/* What happens to files while somebody is out to look at them. */
static void looks_that_come_late_are_told_apart(void **state) {
    (void)state;
    struct place place;
    int settled = 0;
    char one[400], two[400];
    place_make(&place);
    strcpy(one, at(&place, "one.wav"));
    strcpy(two, at(&place, "two.wav"));
    write_text(one, "x");
    write_text(two, "x");
    struct settle *settle = settle_new((struct settle_delays){0.25, 5, 600});
    assert_true(settle_touch(settle, one, 3, SETTLE_CLOSED, 0) && settle_touch(settle, two, 4, SETTLE_CLOSED, 0));
    look(settle, 0, 100, &settled); /* nothing of group 0 */
    struct settle_batch *first = settle_due(settle, 3, 0, 100);
    assert_int_equal(first->n, 1);
    assert_null(settle_due(settle, 3, 0, 100)); /* it is being looked at */
    settle_batch_look(first);
    unlink(one);
    settle_take(settle, first, 0, count_settled, &settled);
    first = settle_due(settle, 3, 1, 100);
    settle_batch_look(first); /* gone ... */
    write_text(one, "y");
    assert_true(settle_touch(settle, one, 3, SETTLE_CLOSED, 1)); /* ... and back */
    settle_take(settle, first, 1, count_settled, &settled);
    assert_int_equal(settle_waiting(settle), 2);
    first = settle_due(settle, 4, 1, 100);
    settle_take(settle, first, 1, count_settled, &settled); /* nobody looked: it stays due */
    first = settle_due(settle, 4, 1, 100);
    settle_batch_look(first);
    settle_forget(settle, two, false);
    settle_take(settle, first, 1, count_settled, &settled); /* of a file that is of no interest any more */
    assert_int_equal(settle_waiting(settle), 1);
    for (double t = 1; t < 2; t += 0.5) {
        assert_int_equal(settled, 0);
        first = settle_due(settle, 3, t, 100);
        settle_batch_look(first);
        settle_take(settle, first, t, count_settled, &settled);
    }
    assert_int_equal(settled, 1);
    settle_free(settle);
    place_remove(&place);
}

/* ----------------------------------------------------------------------------------------------------------- watch */

/* What a watcher said, one line an event. */
struct heard {
    char text[60000];
    int files, sweeps, warnings;
    const char *folder; /* cut from the front of paths */
};

static void note_event(struct heard *heard, const char *what, const char *path, const char *more) {
    size_t used = strlen(heard->text), n = strlen(heard->folder);
    if (strncmp(path, heard->folder, n) == 0) path += n;
    if (used < sizeof heard->text - 500)
        snprintf(heard->text + used, sizeof heard->text - used, "%s %s%s%s\n", what, path, more ? " " : "",
                 more ? more : "");
}

static void on_file(void *user, const char *path) {
    struct heard *heard = user;
    heard->files++;
    note_event(heard, "file", path, NULL);
}

static void on_moved(void *user, const char *from, const char *to, bool folder) {
    struct heard *heard = user;
    size_t n = strlen(heard->folder);
    note_event(heard, folder ? "moved-folder" : "moved", from, strncmp(to, heard->folder, n) == 0 ? to + n : to);
}

static void on_gone(void *user, const char *path, bool folder) {
    note_event(user, folder ? "gone-folder" : "gone", path, NULL);
}

static void on_sweep(void *user, const char *folder, const char *why) {
    struct heard *heard = user;
    heard->sweeps++;
    note_event(heard, "sweep", folder, why);
}

static void on_root(void *user, const char *root, bool there) {
    note_event(user, there ? "back" : "away", root, NULL);
}

static void on_warning(void *user, const char *sentence) {
    struct heard *heard = user;
    heard->warnings++;
    note_event(heard, "warning", sentence, NULL);
}

static const struct watch_events listeners = {on_file, on_moved, on_gone, on_sweep, on_root, on_warning};

struct scene {
    uv_loop_t loop;
    struct place place;
    struct heard heard;
    struct ignore *ignore;
    struct watch *watch;
};

static struct scene *scene_open(const char *mount_table, size_t max_watches) {
    struct scene *scene = calloc(1, sizeof *scene);
    assert_non_null(scene);
    place_make(&scene->place);
    scene->heard.folder = scene->place.folder;
    assert_int_equal(uv_loop_init(&scene->loop), 0);
    scene->ignore = ignore_new(false, NULL, NULL);
    struct watch_options options;
    watch_options_init(&options);
    options.delays = (struct settle_delays){0.15, 1, 600};
    options.sweep_interval = 1;
    options.max_watches = max_watches;
    options.mount_table = mount_table;
    scene->watch = watch_new(&scene->loop, &options, scene->ignore, &listeners, &scene->heard, NULL);
    assert_non_null(scene->watch);
    return scene;
}

static void scene_root(struct scene *scene) {
    assert_true(watch_add_root(scene->watch, scene->place.folder, NULL));
}

static void stop_loop(uv_timer_t *timer) {
    uv_stop(timer->loop);
}

static void scene_run(struct scene *scene, unsigned milliseconds) {
    uv_timer_t timer;
    uv_update_time(&scene->loop);
    uv_timer_init(&scene->loop, &timer);
    uv_timer_start(&timer, stop_loop, milliseconds, 0);
    uv_run(&scene->loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&scene->loop, UV_RUN_NOWAIT);
}

static void scene_close(struct scene *scene) {
    watch_free(scene->watch);
    uv_run(&scene->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&scene->loop), 0);
    ignore_free(scene->ignore);
    place_remove(&scene->place);
    free(scene);
}

static void heard_in(const struct scene *scene, const char *line) {
    if (strstr(scene->heard.text, line)) return;
    print_message("not heard: %sheard:\n%s", line, scene->heard.text);
    fail();
}

static void files_are_reported_when_whole(void **state) {
    (void)state;
    struct scene *scene = scene_open(NULL, 0);
    struct place *place = &scene->place;
    scene_root(scene);
    heard_in(scene, "sweep \n");
    FILE *slow = fopen(at(place, "slow.wav"), "w");
    fputs("begin", slow);
    fflush(slow);
    write_text(at(place, "quick.wav"), "x");
    write_text(at(place, "load.crdownload"), "x");
    scene_run(scene, 1500);
    heard_in(scene, "file /quick.wav\n");
    assert_int_equal(scene->heard.files, 1);
    fclose(slow);
    char from[400];
    strcpy(from, at(place, "load.crdownload"));
    assert_int_equal(rename(from, at(place, "load.wav")), 0); /* a download is done */
    strcpy(from, at(place, "quick.wav"));
    assert_int_equal(link(from, at(place, "linked.wav")), 0);
    scene_run(scene, 2500);
    heard_in(scene, "file /slow.wav\n");
    heard_in(scene, "file /load.wav\n");
    heard_in(scene, "file /linked.wav\n");
    assert_int_equal(scene->heard.files, 4);
    scene_close(scene);
}

static void moves_and_removals_are_told_apart(void **state) {
    (void)state;
    struct scene *scene = scene_open(NULL, 0);
    struct place *place = &scene->place;
    mkdir(at(place, "a"), 0700);
    mkdir(at(place, "a/deep"), 0700);
    write_text(at(place, "a/deep/one.wav"), "x");
    write_text(at(place, "two.wav"), "x");
    write_text(at(place, "three.wav"), "x");
    scene_root(scene);
    char from[400];
    strcpy(from, at(place, "a"));
    assert_int_equal(rename(from, at(place, "b")), 0);
    strcpy(from, at(place, "two.wav"));
    assert_int_equal(rename(from, at(place, "TWO.wav")), 0); /* only the case changes */
    unlink(at(place, "three.wav"));
    scene_run(scene, 600);
    heard_in(scene, "moved-folder /a /b\n");
    heard_in(scene, "moved /two.wav /TWO.wav\n");
    heard_in(scene, "gone /three.wav\n");
    write_text(at(place, "b/deep/new.wav"), "x"); /* the moved folder is watched under its new name */
    strcpy(from, at(place, "b/deep"));
    char out[100];
    snprintf(out, sizeof out, "%s-out", place->folder);
    scene_run(scene, 600);
    heard_in(scene, "file /b/deep/new.wav\n");
    assert_int_equal(rename(from, out), 0); /* out of what is watched */
    scene_run(scene, 800);
    heard_in(scene, "gone-folder /b/deep\n");
    assert_int_equal(rename(out, from), 0); /* and back, with its files */
    scene_run(scene, 800);
    heard_in(scene, "file /b/deep/one.wav\n");
    scene_close(scene);
}

static void a_new_folder_brings_its_files(void **state) {
    (void)state;
    struct scene *scene = scene_open(NULL, 0);
    struct place *place = &scene->place;
    scene_root(scene);
    for (int i = 0; i < 20; i++) {
        char name[60];
        snprintf(name, sizeof name, "n%d", i);
        mkdir(at(place, name), 0700);
        snprintf(name, sizeof name, "n%d/m", i);
        mkdir(at(place, name), 0700);
        snprintf(name, sizeof name, "n%d/m/x.wav", i);
        write_text(at(place, name), "x");
    }
    assert_int_equal(symlink(place->folder, at(place, "n0/loop")), 0);
    scene_run(scene, 1800);
    assert_int_equal(scene->heard.files, 20 + 1); /* each once, and the link, which whoever opens it will refuse */
    scene_close(scene);
}

static void a_root_that_goes_away_is_waited_for(void **state) {
    (void)state;
    struct scene *scene = scene_open(NULL, 0);
    write_text(at(&scene->place, "x.wav"), "x");
    scene_root(scene);
    char aside[100];
    snprintf(aside, sizeof aside, "%s-aside", scene->place.folder);
    assert_int_equal(rename(scene->place.folder, aside), 0);
    scene_run(scene, 1500);
    heard_in(scene, "away \n");
    assert_null(strstr(scene->heard.text, "gone"));
    assert_int_equal(rename(aside, scene->place.folder), 0);
    scene_run(scene, 1500);
    heard_in(scene, "back \n");
    assert_int_equal(scene->heard.sweeps, 2);
    write_text(at(&scene->place, "y.wav"), "x");
    scene_run(scene, 600);
    heard_in(scene, "file /y.wav\n");
    scene_close(scene);
}

static void beyond_the_limit_folders_are_swept(void **state) {
    (void)state;
    struct scene *scene = scene_open(NULL, 3);
    for (int i = 0; i < 6; i++) {
        char name[20];
        snprintf(name, sizeof name, "f%d", i);
        mkdir(at(&scene->place, name), 0700);
    }
    scene_root(scene);
    scene_run(scene, 2600);
    assert_int_equal(scene->heard.warnings, 1);
    heard_in(scene, "fs.inotify.max_user_watches=12\n");
    assert_true(scene->heard.sweeps >= 2);
    scene_close(scene);
}

static void network_file_systems_are_swept(void **state) {
    (void)state;
    struct place tables;
    place_make(&tables);
    write_text(at(&tables, "table"), "1 0 0:40 / / rw - cifs //server/x rw\n");
    struct scene *scene = scene_open(tables.path, 0);
    scene_root(scene);
    scene_run(scene, 2600);
    heard_in(scene, "is on a cifs file system");
    assert_true(scene->heard.sweeps >= 2);
    struct watch_counts counts;
    watch_count(scene->watch, &counts);
    assert_int_equal(counts.folders_watched, 0);
    assert_int_equal(counts.folders_swept, 1);
    scene_close(scene);
    place_remove(&tables);
}

/* A share below a watched folder: swept as long as it is mounted, however it comes and goes, and not read before. */
static void shares_below_a_root_are_swept(void **state) {
    (void)state;
    struct place tables;
    char line[600];
    const char *const local = "1 0 8:1 / / rw - ext4 /dev/root rw\n";
    place_make(&tables);
    write_text(at(&tables, "table"), local);
    struct scene *scene = scene_open(tables.path, 0);
    char nas[400], later[400];
    mkdir(at(&scene->place, "nas"), 0700);
    strcpy(nas, scene->place.path);
    mkdir(at(&scene->place, "nas/deep"), 0700);
    mkdir(at(&scene->place, ".hidden"), 0700);
    strcpy(later, at(&scene->place, "nas/deep/later.wav"));
    snprintf(line, sizeof line,
             "%s2 1 0:40 / %s rw - nfs4 server:/x rw\n3 1 0:41 / %s/.hidden/x rw - fuse.portal portal rw\n", local, nas,
             scene->place.folder);
    write_text(at(&tables, "table"), line);
    scene_root(scene);
    heard_in(scene, "warning /nas is on a nfs4 file system");
    assert_null(strstr(scene->heard.text, "portal")); /* what is left out */
    scene_run(scene, 2600);
    heard_in(scene, "sweep /nas folders that can't be watched are looked at now and then\n");
    struct watch_counts counts;
    watch_count(scene->watch, &counts);
    assert_int_equal(counts.folders_watched, 1);
    assert_int_equal(counts.folders_swept, 1);
    assert_true(watch_settle(scene->watch, later)); /* a sweep has found it */
    write_text(later, "x");
    write_text(at(&tables, "table"), local);
    scene_run(scene, 1500);
    heard_in(scene, "away /nas\n");
    heard_in(scene, "sweep  what was mounted below it is gone\n");
    assert_int_equal(scene->heard.files, 0);
    write_text(later, "y"); /* the folder that it was mounted on is like any other now */
    scene_run(scene, 600);
    heard_in(scene, "file /nas/deep/later.wav\n");
    write_text(at(&tables, "table"), line);
    scene->heard.text[0] = '\0';
    scene_run(scene, 1500);
    heard_in(scene, "back /nas\n");
    scene_close(scene);
    place_remove(&tables);
}

static void an_overflow_leads_to_a_sweep(void **state) {
    (void)state;
    struct scene *scene = scene_open(NULL, 0);
    struct place *place = &scene->place;
    scene_root(scene);
    unsigned long limit = 0;
    FILE *stream = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
    assert_non_null(stream);
    assert_int_equal(fscanf(stream, "%lu", &limit), 1);
    fclose(stream);
    if (limit > 100000) return;
    char one[400];
    strcpy(one, at(place, "one.wav"));
    write_text(one, "x");
    for (unsigned long i = 0; i < limit / 2 + 100; i++) { /* two events each, and nobody reads */
        assert_int_equal(rename(one, at(place, "two.wav")), 0);
        assert_int_equal(rename(place->path, one), 0);
    }
    scene_run(scene, 1500);
    struct watch_counts counts;
    watch_count(scene->watch, &counts);
    assert_true(counts.overflows >= 1);
    assert_true(scene->heard.sweeps >= 2);
    write_text(at(place, "after.wav"), "x");
    scene->heard.text[0] = '\0';
    scene_run(scene, 600);
    heard_in(scene, "file /after.wav\n");
    scene_close(scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(junk_and_hidden_names_are_out),
        cmocka_unit_test(sondeignore_rules_hold_below_their_folder),
        cmocka_unit_test(mounts_tell_what_has_to_be_swept),
        cmocka_unit_test(folders_keep_their_paths_through_moves),
        cmocka_unit_test(a_slow_copy_settles_once_when_done),
        cmocka_unit_test(many_files_settle_and_vanished_ones_are_forgotten),
        cmocka_unit_test(looks_that_come_late_are_told_apart),
        cmocka_unit_test(files_are_reported_when_whole),
        cmocka_unit_test(moves_and_removals_are_told_apart),
        cmocka_unit_test(a_new_folder_brings_its_files),
        cmocka_unit_test(a_root_that_goes_away_is_waited_for),
        cmocka_unit_test(beyond_the_limit_folders_are_swept),
        cmocka_unit_test(network_file_systems_are_swept),
        cmocka_unit_test(shares_below_a_root_are_swept),
        cmocka_unit_test(an_overflow_leads_to_a_sweep),
    };
    return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
