/* engine/watch and what it rests on: what is junk, what is on a network, paths through renames, when a file is whole. */
#include "engine/base/mounts.h"
#include "engine/watch/folders.h"
#include "engine/watch/ignore.h"
#include "engine/watch/settle.h"
#include "tests/unit/place_rig.h"

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
                                    "4 1 0:42 / /cluster rw - gpfs cluster rw\n"
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
    assert_true(mounts_find("/cluster/a.wav", place.path, &mount, NULL));
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(junk_and_hidden_names_are_out),
        cmocka_unit_test(sondeignore_rules_hold_below_their_folder),
        cmocka_unit_test(mounts_tell_what_has_to_be_swept),
        cmocka_unit_test(folders_keep_their_paths_through_moves),
        cmocka_unit_test(a_slow_copy_settles_once_when_done),
        cmocka_unit_test(many_files_settle_and_vanished_ones_are_forgotten),
        cmocka_unit_test(looks_that_come_late_are_told_apart),
    };
    return cmocka_run_group_tests_name("watch_parts", tests, NULL, NULL);
}
