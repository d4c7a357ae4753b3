/* Blocks between pages that nobody may touch. Whether memory can be read is asked of the system: write() says EFAULT. */
#include "workers/host/guard.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FRAMES 1021 /* not a multiple of 16 floats */

static int pipe_ends[2];

static bool is_readable(const void *place) {
    char byte;
    ssize_t n = write(pipe_ends[1], place, 1);
    if (n == 1) assert_int_equal(read(pipe_ends[0], &byte, 1), 1);
    if (n < 0) assert_int_equal(errno, EFAULT);
    return n == 1;
}

static float samples[2][FRAMES];
static const float *const planes[2] = {samples[0], samples[1]};
static const sonde_block_t audio = {
    .struct_size = sizeof audio, .start = 7, .frames = FRAMES, .channels = 2, .planes = planes};

static void check_copy(const sonde_block_t *given) {
    assert_ptr_not_equal(given, &audio);
    assert_int_equal(given->start, 7);
    for (int c = 0; c < 2; c++) {
        assert_int_equal((uintptr_t)given->planes[c] % 64, 0);
        assert_memory_equal(given->planes[c], samples[c], sizeof samples[c]);
    }
}

static void test_before(void **state) {
    struct guard guard = {.side = guard_side_of("before")};
    (void)state;
    const sonde_block_t *given = guard_give(&guard, &audio);
    check_copy(given);
    for (int c = 0; c < 2; c++) assert_false(is_readable(given->planes[c] - 1));
    assert_false(is_readable((const char *)given->planes - 1));
    guard_close(&guard);
}

static void test_after(void **state) {
    struct guard guard = {.side = guard_side_of("after")};
    (void)state;
    const sonde_block_t *given = guard_give(&guard, &audio);
    check_copy(given);
    for (int c = 0; c < 2; c++) {
        for (int i = FRAMES; i < (FRAMES + 15) / 16 * 16; i++) assert_true(isnan(given->planes[c][i]));
        assert_false(is_readable(given->planes[c] + (FRAMES + 15) / 16 * 16));
    }
    assert_false(is_readable(given->planes + 2));
    guard_close(&guard);
}

static void test_spectra(void **state) {
    float values[3 * 2 * 32];
    for (int i = 0; i < 192; i++) values[i] = (float)i;
    sonde_block_t block = {
        .struct_size = sizeof block, .frames = 3, .channels = 2, .spectra = values, .stride = 32, .bins = 17};
    struct guard guard = {.side = GUARD_AFTER};
    (void)state;
    const sonde_block_t *given = guard_give(&guard, &block);
    assert_memory_equal(given->spectra, values, sizeof values);
    assert_false(is_readable(given->spectra + 192));
    guard_close(&guard);
}

/* Untouchable after the call, and not where the next one lies. */
static void test_kept(void **state) {
    struct guard guard = {.side = GUARD_AFTER};
    (void)state;
    const float *first = guard_give(&guard, &audio)->planes[0];
    assert_true(is_readable(first));
    guard_take(&guard);
    assert_false(is_readable(first));
    const float *second = guard_give(&guard, &audio)->planes[0];
    assert_ptr_not_equal(first, second);
    assert_true(is_readable(second));
    guard_close(&guard);
}

static void test_none(void **state) {
    struct guard guard = {.side = guard_side_of(NULL)};
    (void)state;
    assert_int_equal(guard_side_of("beside"), GUARD_NONE);
    assert_ptr_equal(guard_give(&guard, &audio), &audio);
    guard_take(&guard);
    guard_close(&guard);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_before), cmocka_unit_test(test_after), cmocka_unit_test(test_spectra),
        cmocka_unit_test(test_kept),   cmocka_unit_test(test_none),
    };
    if (pipe(pipe_ends) != 0) return 1;
    for (int i = 0; i < FRAMES; i++) samples[0][i] = (float)i, samples[1][i] = (float)-i;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
