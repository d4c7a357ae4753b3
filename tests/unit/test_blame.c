/* Back-off, intensity, circuit breaker, blame: the rules of supervision, without any process. */
#include "engine/supervise/blame.h"
#include "engine/supervise/breaker.h"
#include "engine/supervise/restart.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_backoff(void **state) {
    (void)state;
    struct backoff backoff = {0};
    double now = 100;
    assert_true(backoff_wait(&backoff, now) == 0);
    backoff_failed(&backoff, now, 0.5);
    assert_true(backoff_wait(&backoff, now) == 0); /* once is no pattern */
    double expected = BACKOFF_FIRST;
    for (int i = 0; i < 20; i++) {
        backoff_failed(&backoff, now, 0.5);
        assert_float_equal(backoff_wait(&backoff, now), expected, 1e-9);
        expected = expected * 2 < BACKOFF_MAX ? expected * 2 : BACKOFF_MAX;
    }
    backoff_failed(&backoff, now, 0.0);
    double least = backoff_wait(&backoff, now);
    backoff_failed(&backoff, now, 1.0);
    assert_true(least < BACKOFF_MAX && backoff_wait(&backoff, now) > BACKOFF_MAX);
    assert_true(backoff_wait(&backoff, now + 2 * BACKOFF_MAX) == 0);
    backoff_succeeded(&backoff);
    assert_true(backoff_wait(&backoff, now) == 0);
}

static void test_intensity(void **state) {
    (void)state;
    struct intensity intensity = {.limit = 3, .period = 10};
    assert_false(intensity_exceeded(&intensity, 0));
    assert_false(intensity_exceeded(&intensity, 1));
    assert_false(intensity_exceeded(&intensity, 2));
    assert_true(intensity_exceeded(&intensity, 3));
    assert_false(intensity_exceeded(&intensity, 20)); /* the four before are long ago */
    for (int i = 0; i < 500; i++) assert_false(intensity_exceeded(&intensity, 100 + 6.0 * i));
}

static void test_breaker_opens(void **state) {
    (void)state;
    struct breaker breaker = {0};
    /* Four contents, however often, are not enough. */
    for (unsigned i = 0; i < 40; i++) {
        assert_true(breaker_allows(&breaker, i));
        assert_false(breaker_note(&breaker, true, 1 + i % 4, i));
    }
    assert_true(breaker_note(&breaker, true, 9, 50));
    assert_false(breaker_allows(&breaker, 51));
    assert_false(breaker_allows(&breaker, 50 + BREAKER_COOL_DOWN - 1));
    /* Half-open: one may try, not two; asking doesn't count as trying. */
    assert_true(breaker_allows(&breaker, 50 + BREAKER_COOL_DOWN));
    assert_true(breaker_allows(&breaker, 50 + BREAKER_COOL_DOWN));
    assert_true(breaker_begin(&breaker));
    assert_false(breaker_begin(&breaker));
    assert_false(breaker_allows(&breaker, 50 + BREAKER_COOL_DOWN));
    assert_true(breaker_note(&breaker, true, 10, 700));
    assert_false(breaker_allows(&breaker, 701));
    assert_true(breaker_allows(&breaker, 700 + BREAKER_COOL_DOWN));
    assert_true(breaker_begin(&breaker));
    breaker_give_up(&breaker); /* killed from outside: that says nothing */
    assert_true(breaker_allows(&breaker, 700 + BREAKER_COOL_DOWN));
    assert_true(breaker_begin(&breaker));
    assert_false(breaker_note(&breaker, false, 11, 1400));
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    assert_true(breaker_allows(&breaker, 1401));
    assert_false(breaker_begin(&breaker)); /* nothing is a trial any more */
}

static void test_breaker_needs_a_share(void **state) {
    (void)state;
    struct breaker breaker = {.cool_down = 2};
    /* One death in ten jobs, all on distinct contents: below a fifth. */
    for (unsigned i = 0; i < 500; i++) assert_false(breaker_note(&breaker, i % 10 == 0, 1 + i, i));
    /* Two in ten: the fifth is reached. */
    bool opened = false;
    for (unsigned i = 0; i < 100 && !opened; i++) opened = breaker_note(&breaker, i % 10 < 2, 1000 + i, 500 + i);
    assert_true(opened);
    assert_false(breaker_allows(&breaker, breaker.opened + 1.9));
    assert_true(breaker_allows(&breaker, breaker.opened + 2.1)); /* a cool-down of its own */
    breaker_reset(&breaker);
    assert_true(breaker.cool_down == 2 && breaker_allows(&breaker, 0));
}

static struct worker_death dead(int signal, int64_t code, enum note_phase phase) {
    return (struct worker_death){
        .spawned = true,
        .said_hello = true,
        .was_ready = true,
        .exit_code = code,
        .signal = signal,
        .kill_reason = "",
        .last_words = "first line\nthe last line",
        .note = {.valid = true, .phase = phase, .plugin = "org.example.bad", .forbidden = -1, .died = signal},
    };
}

static void test_blame(void **state) {
    (void)state;
    struct blame blame;
    struct worker_death death = dead(SIGSEGV, 0, NOTE_PROCESS);
    blame_judge(&death, 0, &blame);
    assert_string_equal(blame.outcome, "crashed");
    assert_string_equal(blame.phase, "process");
    assert_string_equal(blame.plugin, "org.example.bad");
    assert_string_equal(blame.reason, "crashed with SIGSEGV, in process");
    assert_true(blame.counts && !blame.from_outside && !blame.asked);

    death.note.data_bytes = 95 << 20;
    blame_judge(&death, 100 << 20, &blame);
    assert_string_equal(blame.outcome, "memory");

    death = dead(SIGKILL, 0, NOTE_PROCESS);
    death.note.died = 0;
    blame_judge(&death, 0, &blame);
    assert_true(blame.from_outside && !blame.counts);

    death.kill = WORKER_KILL_DEADLINE;
    death.kill_reason = "did not analyse the region within 30 s";
    blame_judge(&death, 0, &blame);
    assert_string_equal(blame.outcome, "timeout");
    assert_true(blame.counts && !blame.from_outside);

    death.signal = SIGTERM; /* somebody else was quicker than the engine */
    blame_judge(&death, 0, &blame);
    assert_true(blame.from_outside);

    death.kill = WORKER_KILL_UNWANTED;
    blame_judge(&death, 0, &blame);
    assert_true(blame.asked && !blame.counts);

    death = dead(SIGSYS, 0, NOTE_FINISH);
    death.note.forbidden = 59;
    blame_judge(&death, 0, &blame);
    assert_string_equal(blame.outcome, "violation");
    assert_true(blame.counts);
}

static void test_blame_of_exits(void **state) {
    (void)state;
    struct blame blame;
    struct worker_death death = dead(0, 0, NOTE_PROCESS);
    blame_judge(&death, 0, &blame); /* a plugin that calls exit(0) */
    assert_string_equal(blame.outcome, "crashed");
    assert_true(blame.counts && !blame.asked);
    death.asked = true;
    blame_judge(&death, 0, &blame);
    assert_true(blame.asked);

    death = dead(0, WORKER_EXIT_NO_RESPAWN, NOTE_FINISH);
    blame_judge(&death, 0, &blame);
    assert_false(blame.refused); /* only a plugin pretending */
    death = dead(0, WORKER_EXIT_NO_RESPAWN, NOTE_NONE);
    death.was_ready = false;
    blame_judge(&death, 0, &blame);
    assert_true(blame.refused && !blame.counts);
    assert_string_equal(blame.reason, "the last line");

    death = dead(0, WORKER_EXIT_HUNG_UP,
                 NOTE_PROCESS); /* or a plugin pretending: so it counts like a kill, bounded by how often */
    blame_judge(&death, 0, &blame);
    assert_true(blame.from_outside && !blame.counts && !blame.refused && !blame.asked && !blame.starved);
}

static void test_blame_of_starvation(void **state) {
    (void)state;
    struct blame blame;
    struct worker_death death = dead(SIGKILL, 0, NOTE_PROCESS);
    death.kill = WORKER_KILL_STARVED;
    death.kill_reason = "could not be given descriptors: No buffer space available";
    blame_judge(&death, 0, &blame);
    assert_true(blame.starved && blame.from_outside && !blame.counts && !blame.asked);
    death.signal = SIGSEGV; /* it died of something else in the meantime */
    blame_judge(&death, 0, &blame);
    assert_true(!blame.starved && blame.counts);
}

static void test_detail(void **state) {
    (void)state;
    struct blame blame;
    struct worker_death death = dead(SIGSEGV, 0, NOTE_PROCESS);
    blame_judge(&death, 0, &blame);
    cJSON *detail = blame_detail(&death, &blame);
    assert_non_null(detail);
    assert_string_equal(cJSON_GetObjectItem(detail, "signal")->valuestring, "SIGSEGV");
    assert_string_equal(cJSON_GetObjectItem(detail, "phase")->valuestring, "process");
    assert_string_equal(cJSON_GetObjectItem(detail, "stderr")->valuestring, "first line\nthe last line");
    cJSON_Delete(detail);
}
int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backoff),
        cmocka_unit_test(test_intensity),
        cmocka_unit_test(test_breaker_opens),
        cmocka_unit_test(test_breaker_needs_a_share),
        cmocka_unit_test(test_blame),
        cmocka_unit_test(test_blame_of_exits),
        cmocka_unit_test(test_blame_of_starvation),
        cmocka_unit_test(test_detail),
    };
    return cmocka_run_group_tests_name("blame", tests, NULL, NULL);
}
