/* engine/watch: a real folder with real events. */
#include "engine/watch/watch.h"
#include "tests/unit/place_rig.h"

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

/* What settles, or waits to be looked at under the old name, has no row that could be moved. */
static void a_renamed_folder_is_looked_at(void **state) {
    (void)state;
    struct scene *scene = scene_open(NULL, 0);
    struct place *place = &scene->place;
    mkdir(at(place, "tmp"), 0700);
    scene_root(scene);
    write_text(at(place, "tmp/one.wav"), "x");
    scene_run(scene, 20);
    char from[400];
    strcpy(from, at(place, "tmp"));
    assert_int_equal(rename(from, at(place, "Pack 1")), 0);
    scene_run(scene, 600);
    heard_in(scene, "moved-folder /tmp /Pack 1\nsweep /Pack 1 it has another name\n");
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

static void a_folder_renamed_before_it_is_watched_is_watched(void **state) {
    (void)state;
    struct scene *scene = scene_open(NULL, 0);
    struct place *place = &scene->place;
    scene_root(scene);
    char from[400];
    mkdir(at(place, "x"), 0700);
    mkdir(at(place, "x/deep"), 0700);
    write_text(at(place, "x/deep/early.wav"), "x");
    strcpy(from, at(place, "x"));
    assert_int_equal(rename(from, at(place, "y")), 0); /* nobody has read of x yet */
    scene_run(scene, 600);
    heard_in(scene, "file /y/deep/early.wav\n");
    write_text(at(place, "y/deep/late.wav"), "x");
    scene_run(scene, 600);
    heard_in(scene, "file /y/deep/late.wav\n");
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

/* Another folder stands where the root was before anybody has looked. */
static void a_root_that_is_replaced_is_watched_anew(void **state) {
    (void)state;
    struct scene *scene = scene_open(NULL, 0);
    struct place *place = &scene->place;
    scene_root(scene);
    assert_int_equal(rmdir(place->folder), 0);
    assert_int_equal(mkdir(place->folder, 0700), 0);
    scene_run(scene, 1500);
    heard_in(scene, "away \nback \nsweep \n");
    write_text(at(place, "new.wav"), "x");
    scene_run(scene, 600);
    heard_in(scene, "file /new.wav\n");
    struct place aside;
    char old[100];
    place_make(&aside);
    snprintf(old, sizeof old, "%s/old", aside.folder);
    assert_int_equal(rename(place->folder, old), 0);
    assert_int_equal(mkdir(place->folder, 0700), 0);
    scene->heard.text[0] = '\0';
    scene_run(scene, 1500);
    heard_in(scene, "away \nback \nsweep \n");
    assert_int_equal(unlink(at(&aside, "old/new.wav")), 0); /* of no concern any more */
    write_text(at(place, "newest.wav"), "x");
    scene_run(scene, 600);
    heard_in(scene, "file /newest.wav\n");
    assert_null(strstr(scene->heard.text, "gone"));
    scene_close(scene);
    place_remove(&aside);
}

static void so_is_one_below_a_renamed_folder(void **state) {
    (void)state;
    struct scene *scene = scene_open(NULL, 0);
    struct place *place = &scene->place;
    char old[400];
    mkdir(at(place, "disk"), 0700);
    mkdir(at(place, "disk/inbox"), 0700);
    assert_true(watch_add_root(scene->watch, place->path, NULL));
    strcpy(old, at(place, "old"));
    assert_int_equal(rename(at(place, "disk"), old), 0);
    mkdir(at(place, "disk"), 0700);
    mkdir(at(place, "disk/inbox"), 0700);
    scene_run(scene, 2600);
    heard_in(scene, "away /disk/inbox\nback /disk/inbox\n");
    write_text(at(place, "disk/inbox/new.wav"), "x");
    scene_run(scene, 600);
    heard_in(scene, "file /disk/inbox/new.wav\n");
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

static void so_are_folders_that_come_later(void **state) {
    (void)state;
    struct scene *scene = scene_open(NULL, 2);
    scene_root(scene);
    mkdir(at(&scene->place, "watched"), 0700);
    scene_run(scene, 1200);
    assert_int_equal(scene->heard.sweeps, 1);
    mkdir(at(&scene->place, "one too many"), 0700);
    scene_run(scene, 3400);
    heard_in(scene, "warning /one too many and other folders can't be watched");
    heard_in(scene, "sweep  folders that can't be watched are looked at now and then\n");
    assert_int_equal(rmdir(at(&scene->place, "one too many")), 0);
    scene_run(scene, 1400); /* all are watched again */
    int sweeps = scene->heard.sweeps;
    scene_run(scene, 2400);
    assert_int_equal(scene->heard.sweeps, sweeps);
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

/* A disk mounted below a watched folder raises no event there. */
static void a_disk_below_a_root_is_noticed(void **state) {
    (void)state;
    struct place tables;
    char line[600];
    const char *const local = "1 0 8:1 / / rw - ext4 /dev/root rw\n";
    place_make(&tables);
    write_text(at(&tables, "table"), local);
    struct scene *scene = scene_open(tables.path, 0);
    mkdir(at(&scene->place, "stick"), 0700);
    snprintf(line, sizeof line, "%s2 1 8:16 / %s rw - vfat /dev/sdb1 rw\n", local, scene->place.path);
    scene_root(scene);
    scene_run(scene, 1500);
    assert_int_equal(scene->heard.sweeps, 1);
    write_text(at(&tables, "table"), line);
    scene_run(scene, 2500);
    heard_in(scene, "sweep  a disk below it has come or gone\n");
    assert_int_equal(scene->heard.sweeps, 2);
    write_text(at(&scene->place, "stick/new.wav"), "x");
    scene_run(scene, 600);
    heard_in(scene, "file /stick/new.wav\n");
    write_text(at(&tables, "table"), local);
    scene_run(scene, 1500);
    assert_int_equal(scene->heard.sweeps, 3);
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
        cmocka_unit_test(files_are_reported_when_whole),
        cmocka_unit_test(moves_and_removals_are_told_apart),
        cmocka_unit_test(a_renamed_folder_is_looked_at),
        cmocka_unit_test(a_new_folder_brings_its_files),
        cmocka_unit_test(a_folder_renamed_before_it_is_watched_is_watched),
        cmocka_unit_test(a_root_that_goes_away_is_waited_for),
        cmocka_unit_test(beyond_the_limit_folders_are_swept),
        cmocka_unit_test(a_root_that_is_replaced_is_watched_anew),
        cmocka_unit_test(so_is_one_below_a_renamed_folder),
        cmocka_unit_test(so_are_folders_that_come_later),
        cmocka_unit_test(network_file_systems_are_swept),
        cmocka_unit_test(shares_below_a_root_are_swept),
        cmocka_unit_test(a_disk_below_a_root_is_noticed),
        cmocka_unit_test(an_overflow_leads_to_a_sweep),
    };
    return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
