/* The control socket's address, for names of catalogues of any length. */
#include "engine/control/address.h"

#include "engine/base/hash.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int setup(void **state) {
    const char *tmp = getenv("TMPDIR");
    char *folder = NULL;
    assert_true(asprintf(&folder, "%s/sonde-test-XXXXXX", tmp ? tmp : "/tmp") > 0);
    assert_non_null(mkdtemp(folder));
    *state = folder;
    return 0;
}

static int teardown(void **state) {
    assert_int_equal(rmdir(*state), 0); /* nothing may be left in it */
    free(*state);
    return 0;
}

/* The only thing in the folder. */
static void the_only_name(const char *folder, char name[256]) {
    int n = 0;
    DIR *open = opendir(folder);
    assert_non_null(open);
    for (const struct dirent *entry; (entry = readdir(open));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        snprintf(name, 256, "%s", entry->d_name);
        n++;
    }
    closedir(open);
    assert_int_equal(n, 1);
}

static int listening(const char *catalogue) {
    struct error error = {0};
    const int fd = address_listen(catalogue, &error);
    if (fd < 0) fail_msg("%s", error.text);
    return fd;
}

/* Listens, connects, listens again as after a kill, and takes the socket away: with a name of so many bytes. */
static void go_through(const char *folder, int length) {
    char base[256], path[600], expected[300], found[256], digits[HASH_TEXT];
    struct error error = {0};
    memset(base, 'c', sizeof base);
    base[length] = '\0';
    snprintf(path, sizeof path, "%s/%s", folder, base);
    hash_bytes(base, strlen(base), digits);
    if (length <= 68)
        snprintf(expected, sizeof expected, "%s.control", base);
    else
        snprintf(expected, sizeof expected, ".sonde-%s.control", digits);
    close(listening(path));
    const int server = listening(path), client = address_connect(path, &error);
    if (client < 0) fail_msg("%d bytes: %s", length, error.text);
    close(client);
    close(server);
    the_only_name(folder, found);
    assert_string_equal(found, expected);
    address_remove(path);
    snprintf(path, sizeof path, "%s/%s", folder, found);
    if (access(path, F_OK) == 0) fail_msg("%d bytes: the socket is still there", length);
}

static void names_of_any_length(void **state) {
    for (int length = 60; length <= 90; length++) go_through(*state, length);
    go_through(*state, 1);
    go_through(*state, 248); /* with ".control" it would be too long for any file */
    go_through(*state, 255);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(names_of_any_length, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
