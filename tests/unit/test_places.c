/* Catalogues where none can be kept: the sentence says why, and what to do. statfs is this program's own here, so that a folder
 * can lie on any file system. */
#include "tests/unit/catalogue_fixture.h"

#include "engine/catalogue/lock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cmocka.h>

static uint32_t file_system = 0xef53; /* ext4 */

int statfs(const char *path, struct statfs *about) {
    *about = (struct statfs){.f_type = file_system};
    return access(path, F_OK);
}

static void network_file_systems(void **state) {
    struct fixture *f = *state;
    static const struct {
        uint32_t type;
        const char *name;
    } networks[] = {{0x6969, "NFS"}, {0xff534d42, "SMB"}, {0xfe534d42, "SMB"}, {0x00c36400, "Ceph"}};
    catalogue_close(f->catalogue);
    f->catalogue = NULL;
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        struct error error = {0};
        char expected[40];
        file_system = networks[i].type;
        assert_null(catalogue_open(f->path, CATALOGUE_WRITE, &error));
        snprintf(expected, sizeof expected, "network file system (%s)", networks[i].name);
        assert_non_null(strstr(error.text, expected));
        assert_non_null(strstr(error.text, "--catalogue"));
    }
    struct error error = {0};
    file_system = 0xef53;
    f->catalogue = catalogue_open(f->path, CATALOGUE_WRITE, &error);
    assert_non_null(f->catalogue);
}

static void no_folder_to_be_in(void **state) {
    struct fixture *f = *state;
    struct error error = {0};
    char path[200];
    snprintf(path, sizeof path, "%s/catalogue.db/below-a-file.db", f->folder);
    assert_null(catalogue_open(path, CATALOGUE_WRITE, &error));
    assert_non_null(strstr(error.text, "below-a-file.db"));
    assert_null(catalogue_open(f->folder, CATALOGUE_WRITE, &error));
    assert_true(strlen(error.text) > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(network_file_systems, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(no_folder_to_be_in, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
