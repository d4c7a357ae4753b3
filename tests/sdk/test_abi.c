/* What a plugin of another minor version declares, as the host reads it. The whole way of such plugins through a region is
 * tested by old_plugins and new_plugins. */
#include "workers/host/abi.h"
#include "workers/host/library.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Structs as a later minor version could have them, with members that this host doesn't know set to something. */
#define LATER(type)                                                                                                    \
    struct later_##type {                                                                                              \
        sonde_##type##_t now;                                                                                          \
        uint64_t number;                                                                                               \
        const char *text;                                                                                              \
    }
LATER(param);
LATER(need);
LATER(descriptor);

#define SIZED(type) .struct_size = sizeof(struct later_##type)

static const struct later_param params[] = {
    {{SIZED(param), SONDE_PARAM_NUMBER, "gain", "Gain", "How much.", "dB", -20, 20, 0, NULL, NULL}, 7, "later"},
    {{SIZED(param), SONDE_PARAM_INTEGER, "count", "Count", "How many.", "", 1, 9, 3, NULL, NULL}, UINT64_MAX, "later"},
    {{SIZED(param), SONDE_PARAM_TEXT, "word", "Word", "Which.", "", 0, 0, 0, "yes", NULL}, 9, "later"}};
static const struct later_need needs[] = {
    {{SIZED(need), 2, "key", SONDE_NEED_OPTIONAL, SONDE_NEED_AT_FINISH}, 1, "later"},
    {{SIZED(need), 1, "key", SONDE_NEED_OPTIONAL, SONDE_NEED_EARLY}, 2, "later"}};
static const struct later_descriptor later = {
    {SIZED(descriptor), .flags = SONDE_FLAG_DETERMINISTIC, .id = "org.example.later", .name = "Later",
     .vendor = "tests", .version = "1", .licence = "MIT", .description = "Of a later minor version.",
     .needs = &needs[0].now, .needs_count = 2, .params = &params[0].now, .params_count = 3},
    1,
    "later"};

static void lists_of_a_later_minor_are_walked_in_their_steps(void **state) {
    (void)state;
    struct error error = {0};
    sonde_descriptor_t *d = library_take_descriptor(&later.now, &error);
    if (!d) fail_msg("%s", error.text);
    assert_int_equal(d->struct_size, sizeof *d);
    assert_int_equal(d->params_count, 3);
    static const char *const ids[] = {"gain", "count", "word"};
    for (int i = 0; i < 3; i++) {
        assert_string_equal(d->params[i].id, ids[i]);
        assert_int_equal(d->params[i].struct_size, sizeof *d->params);
    }
    assert_true(d->params[1].max == 9);
    assert_string_equal(d->params[2].default_text, "yes");
    assert_int_equal(d->needs[0].major, 2);
    assert_int_equal(d->needs[1].major, 1);
    assert_int_equal(d->needs[1].when, SONDE_NEED_EARLY);
    free(d);
}

static void members_that_a_plugin_has_not_are_zero(void **state) {
    (void)state;
    const sonde_need_t now[2] = {{sizeof *now, 1, "key", SONDE_NEED_OPTIONAL, SONDE_NEED_EARLY},
                                 {sizeof *now, 1, "rhythm", SONDE_NEED_REQUIRED, SONDE_NEED_EARLY}};
    struct later_need read[2];
    memset(read, 0xff, sizeof read);
    assert_true(abi_check_list(now, 2, ABI_1_0_NEED));
    abi_take_list(read, sizeof *read, now, 2);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(read[i].now.id, now[i].id);
        assert_int_equal(read[i].now.struct_size, sizeof *read);
        assert_int_equal(read[i].number, 0);
        assert_null(read[i].text);
    }
}

static void sizes_that_cannot_be_are_refused(void **state) {
    (void)state;
    static const uint32_t sizes[] = {
        0, 4, sizeof(sonde_descriptor_t) - 8, sizeof(sonde_descriptor_t) + 4, 1u << 20, UINT32_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        sonde_descriptor_t d = later.now;
        d.struct_size = sizes[i];
        struct error error = {0};
        assert_null(library_take_descriptor(&d, &error));
        assert_non_null(strstr(error.text, "struct_size"));
    }
    struct later_param mixed[3];
    memcpy(mixed, params, sizeof mixed);
    mixed[2].now.struct_size = sizeof(sonde_param_t);
    sonde_descriptor_t d = later.now;
    d.params = &mixed[0].now;
    struct error error = {0};
    assert_null(library_take_descriptor(&d, &error));
    assert_non_null(strstr(error.text, "struct_size is wrong in params"));
}

static void what_is_unknown_is_refused(void **state) {
    (void)state;
    struct error error = {0};
    sonde_descriptor_t d = later.now;
    d.flags |= 1u << 7;
    assert_null(library_take_descriptor(&d, &error));
    assert_non_null(strstr(error.text, "unknown flags"));
    struct later_need twice[2] = {needs[0], needs[0]};
    d = later.now;
    d.needs = &twice[0].now;
    assert_null(library_take_descriptor(&d, &error));
    assert_non_null(strstr(error.text, "needs twice key"));
}

/* The constants of abi.h are this version's sizes as long as this is 1.0; later headers' are larger. */
static void sizes_are_those_of_1_0(void **state) {
    (void)state;
#define STRUCT(type, size, growth) enum { size_of_##type = size };
#define MEMBER(type, member, offset, size)
#include "layout_1_0.h"
    assert_int_equal(ABI_1_0_ENTRY, size_of_sonde_entry_t);
    assert_int_equal(ABI_1_0_DESCRIPTOR, size_of_sonde_descriptor_t);
    assert_int_equal(ABI_1_0_PLUGIN, size_of_sonde_plugin_t);
    assert_int_equal(ABI_1_0_INTERFACE, size_of_sonde_interface_t);
    assert_int_equal(ABI_1_0_NEED, size_of_sonde_need_t);
    assert_int_equal(ABI_1_0_INPUT, size_of_sonde_input_t);
    assert_int_equal(ABI_1_0_PARAM, size_of_sonde_param_t);
    assert_int_equal(ABI_1_0_ARRAY_INFO, size_of_sonde_array_info_t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_of_a_later_minor_are_walked_in_their_steps),
        cmocka_unit_test(members_that_a_plugin_has_not_are_zero), cmocka_unit_test(sizes_that_cannot_be_are_refused),
        cmocka_unit_test(what_is_unknown_is_refused), cmocka_unit_test(sizes_are_those_of_1_0)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
