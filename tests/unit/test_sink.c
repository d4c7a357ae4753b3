/* Where exports go: whole files or none, links that stay links, what the shell has opened. */
#include "tests/unit/catalogue_fixture.h"

#include "engine/cli/sink.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void expect_text(const char *path, const char *expected) {
    char text[100] = "";
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    (void)!fread(text, 1, sizeof text - 1, file);
    assert_int_equal(fclose(file), 0);
    assert_string_equal(text, expected);
}

static int entries_of(const char *folder) {
    int entries = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) entries += entry->d_name[0] != '.';
    closedir(dir);
    return entries;
}

static void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0 && fclose(file) == 0);
}

/* Writes a line to `path` as an export does. */
static void put_line(const char *path, const char *line) {
    struct sink sink;
    struct error error = {0};
    if (!sink_open(&sink, path, &error)) fail_msg("%s", error.text);
    fputs(line, sink.out);
    if (!sink_close(&sink, true, &error)) fail_msg("%s", error.text);
}

static void a_link_stays_one(void **state) {
    struct fixture *f = *state;
    char file[160], links[2][160];
    struct stat about;
    (void)snprintf(file, sizeof file, "%s/export.csv", f->folder);
    write_text(file, "old");
    for (int i = 0; i < 2; i++) {
        (void)snprintf(links[i], sizeof links[i], "%s/link%d.csv", f->folder, i);
        assert_int_equal(symlink(i ? links[0] : "export.csv", links[i]), 0);
        put_line(links[i], i ? "again" : "new");
        expect_text(file, i ? "again" : "new");
        assert_true(lstat(links[i], &about) == 0 && S_ISLNK(about.st_mode));
    }
}

/* What was for its owner alone stays so. */
static void rights_stay(void **state) {
    struct fixture *f = *state;
    char file[160];
    struct stat about;
    (void)snprintf(file, sizeof file, "%s/export.csv", f->folder);
    put_line(file, "new");
    const mode_t mask = umask(0), modes[] = {0600, 0664};
    (void)umask(mask);
    assert_true(stat(file, &about) == 0 && (about.st_mode & 0777) == (0666 & ~mask));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(chmod(file, modes[i]), 0);
        if (geteuid() == 0) assert_int_equal(chown(file, 12, 34), 0);
        put_line(file, i ? "again" : "old");
        expect_text(file, i ? "again" : "old");
        assert_int_equal(stat(file, &about), 0);
        assert_int_equal(about.st_mode & 0777, modes[i]);
        if (geteuid() == 0) assert_true(about.st_uid == 12 && about.st_gid == 34);
    }
}

/* /dev/fd/N is what a shell makes of >(program); -o /dev/stdout may be meant for a pipe, too. */
static void what_is_open_is_written_as_it_stands(void **state) {
    struct fixture *f = *state;
    struct sink sink;
    struct error error = {0};
    char file[160], named[200], text[40] = "";
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    (void)snprintf(named, sizeof named, "/dev/fd/%d", ends[1]);
    put_line(named, "to a pipe");
    assert_int_equal(read(ends[0], text, sizeof text), 9);
    assert_string_equal(text, "to a pipe");
    close(ends[0]);
    close(ends[1]);
    (void)snprintf(file, sizeof file, "%s/open", f->folder);
    write_text(file, "");
    int fd = open(file, O_WRONLY); /* as a shell hands it on */
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "head,", 5), 5);
    int before = entries_of(f->folder);
    (void)snprintf(named, sizeof named, "%s/link", f->folder);
    char target[40];
    (void)snprintf(target, sizeof target, "/proc/self/fd/%d", fd);
    put_line(target, "line,");
    assert_int_equal(symlink(target, named), 0);
    put_line(named, "another");
    expect_text(file, "head,line,another");
    assert_int_equal(entries_of(f->folder), before + 1);
    assert_int_equal(fcntl(fd, F_SETFD, FD_CLOEXEC), 0);
    assert_false(sink_open(&sink, target, &error)); /* nobody handed it on */
    close(fd);
    assert_false(sink_open(&sink, target, &error));
    assert_non_null(strstr(error.text, target));
}

/* No name that the user has never heard of. */
static void a_missing_folder_is_said_plainly(void **state) {
    (void)state;
    struct sink sink;
    struct error error = {0};
    assert_false(sink_open(&sink, "/nowhere/list.csv", &error));
    assert_non_null(strstr(error.text, "can't write /nowhere/list.csv: No such file"));
}

/* Killed in the middle of writing, nothing is left of it, and what had the name stays. */
static void a_killed_export_leaves_nothing(void **state) {
    struct fixture *f = *state;
    char path[160];
    snprintf(path, sizeof path, "%s/export.json", f->folder);
    int fd = open(f->folder, O_TMPFILE | O_WRONLY, 0666);
    if (fd < 0) skip(); /* the file system knows no files without names */
    close(fd);
    for (int old = 0; old < 2; old++) {
        struct sink sink;
        struct error error = {0};
        int before = entries_of(f->folder), status = 0;
        pid_t child = fork();
        if (child == 0) {
            bool open = sink_open(&sink, path, &error);
            if (open && fputs("half", sink.out) >= 0 && fflush(sink.out) == 0) raise(SIGKILL);
            _exit(1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(entries_of(f->folder), before);
        if (!sink_open(&sink, path, &error)) fail_msg("%s", error.text);
        fprintf(sink.out, "whole %d", old); /* the second time it replaces the first */
        if (!sink_close(&sink, true, &error)) fail_msg("%s", error.text);
        expect_text(path, old ? "whole 1" : "whole 0");
        assert_int_equal(entries_of(f->folder), before + (old == 0));
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_killed_export_leaves_nothing),       TEST(a_link_stays_one),
        TEST(a_missing_folder_is_said_plainly),     TEST(rights_stay),
        TEST(what_is_open_is_written_as_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
