/* Every summary rule against cases computed by hand. */
#include "engine/catalogue/rules.h"

#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

struct sample {
    double duration;
    const char *json;
};

static double confidence;

static cJSON *apply(const struct schema_summary *rule, const double *durations, cJSON *const *results, size_t n,
                    struct error *error) {
    size_t room = RULES_MAX_BYTES;
    struct rules_sum *sum = rules_begin(rule, &room);
    assert_non_null(sum);
    for (size_t i = 0; i < n; i++) assert_true(rules_add(sum, durations[i], results[i]));
    cJSON *value = rules_end(sum, &confidence, error);
    rules_free(sum);
    return value;
}

/* Applies the rule; the value's JSON must be `expected` (NULL: no value). */
static void expect(struct schema_summary rule, const struct sample *samples, size_t n, const char *expected) {
    double durations[8];
    cJSON *parsed[8];
    assert_true(n <= 8);
    rule.property = "x";
    rule.as = "x";
    for (size_t i = 0; i < n; i++) {
        parsed[i] = cJSON_Parse(samples[i].json);
        assert_non_null(parsed[i]);
        durations[i] = samples[i].duration;
    }
    struct error error = {0};
    cJSON *value = apply(&rule, durations, parsed, n, &error);
    assert_string_equal(error.text, "");
    if (expected) {
        assert_non_null(value);
        char *text = cJSON_PrintUnformatted(value);
        assert_string_equal(text, expected);
        cJSON_free(text);
    } else {
        assert_null(value);
    }
    cJSON_Delete(value);
    for (size_t i = 0; i < n; i++) cJSON_Delete(parsed[i]);
}

#define RULE(name) ((struct schema_summary){.rule = name})
#define EXPECT(rule, expected, ...)                                                                                    \
    do {                                                                                                               \
        const struct sample samples[] = {__VA_ARGS__};                                                                 \
        expect(rule, samples, sizeof samples / sizeof *samples, expected);                                             \
    } while (0)

static void longest(void **state) {
    (void)state;
    EXPECT(RULE("longest"), "7", {1, "{\"x\":3}"}, {5, "{\"x\":7}"}, {2, "{\"x\":9}"});
    EXPECT(RULE("longest"), "\"first\"", {2, "{\"x\":\"first\"}"}, {2, "{\"x\":\"second\"}"});
    EXPECT(RULE("longest"), "[1,2]", {2, "{\"x\":[1,2]}"}, {9, "{\"x\":null}"}, {8, "{}"});
    EXPECT(RULE("longest"), NULL, {2, "{}"}, {9, "{\"x\":null}"});
}

static void median(void **state) {
    (void)state;
    EXPECT(RULE("median"), "2", {1, "{\"x\":3}"}, {1, "{\"x\":1}"}, {1, "{\"x\":2}"});
    /* durations 1, 1, 5: half of 7 is reached inside the longest */
    EXPECT(RULE("median"), "10", {1, "{\"x\":1}"}, {1, "{\"x\":2}"}, {5, "{\"x\":10}"});
    /* half is reached exactly between 1 and 4 */
    EXPECT(RULE("median"), "2.5", {2, "{\"x\":4}"}, {2, "{\"x\":1}"});
    EXPECT(RULE("median"), "4", {2, "{\"x\":\"text\"}"}, {2, "{\"x\":4}"});
    EXPECT(RULE("median"), NULL, {2, "{\"x\":\"text\"}"});
}

static void mean(void **state) {
    (void)state;
    EXPECT(RULE("mean"), "4", {1, "{\"x\":1}"}, {3, "{\"x\":5}"}); /* (1 + 15) / 4 */
    EXPECT(RULE("mean"), "5", {1, "{}"}, {3, "{\"x\":5}"});
}

static void extremes(void **state) {
    (void)state;
    EXPECT(RULE("max"), "9", {1, "{\"x\":-1}"}, {3, "{\"x\":9}"}, {1, "{\"x\":2}"});
    EXPECT(RULE("min"), "-1", {1, "{\"x\":-1}"}, {3, "{\"x\":9}"}, {1, "{\"x\":2}"});
    EXPECT(RULE("sum"), "10", {1, "{\"x\":-1}"}, {3, "{\"x\":9}"}, {1, "{\"x\":2}"});
    EXPECT(RULE("max"), NULL, {1, "{}"});
}

static void concat(void **state) {
    (void)state;
    EXPECT(RULE("concat"), "[1,2,{\"a\":3},4]", {1, "{\"x\":[1,2]}"}, {3, "{}"}, {1, "{\"x\":[{\"a\":3}]}"},
           {1, "{\"x\":4}"});
    EXPECT(RULE("concat"), NULL, {1, "{}"});
}

static void unions(void **state) {
    (void)state;
    /* b: 3 + 1 s, c: 3 s, a: 1 s; twice in one region counts once */
    EXPECT(RULE("union"), "[\"b\",\"c\",\"a\"]", {1, "{\"x\":[\"a\",\"b\",\"a\"]}"}, {3, "{\"x\":[\"b\",\"c\"]}"});
    EXPECT(RULE("union"), "[\"y\",\"z\"]", {1, "{\"x\":\"z\"}"}, {3, "{\"x\":\"y\"}"});
    EXPECT(RULE("union"), "[\"z\",\"y\"]", {2, "{\"x\":\"z\"}"}, {2, "{\"x\":\"y\"}"});
    /* equal is what has equal members, in whatever order, and is of one type */
    EXPECT(RULE("union"), "[{\"a\":1,\"b\":[2]},1,\"1\",true,[1],[[1]],{\"b\":1,\"a\":[2]}]",
           {2, "{\"x\":[{\"a\":1,\"b\":[2]}]}"}, {2, "{\"x\":[{\"b\":[2],\"a\":1}]}"},
           {3, "{\"x\":[1,\"1\",1.0,true,[1],[[1]]]}"}, {1, "{\"x\":{\"b\":1,\"a\":[2]}}"});
}

static void mode_words(void **state) {
    (void)state;
    struct schema_summary rule = {.rule = "mode", .weight = "c"};
    /* A: 2 * 0.9 + 1 * 0.6 = 2.4, B: 5 * 0.4 = 2.0; confidence (1.8 + 0.6) / 3 = 0.8 */
    EXPECT(rule, "\"A\"", {2, "{\"x\":\"A\",\"c\":0.9}"}, {5, "{\"x\":\"B\",\"c\":0.4}"},
           {1, "{\"x\":\"A\",\"c\":0.6}"});
    assert_true(fabs(confidence - 0.8) < 1e-12);
    EXPECT(RULE("mode"), "\"B\"", {2, "{\"x\":\"A\"}"}, {5, "{\"x\":\"B\"}"}, {1, "{\"x\":\"A\"}"});
    assert_true(fabs(confidence - 1) < 1e-12);
    EXPECT(RULE("mode"), "\"A\"", {2, "{\"x\":\"A\"}"}, {2, "{\"x\":\"B\"}"});
    EXPECT(rule, NULL, {2, "{\"c\":1}"});
    assert_true(isnan(confidence));
}

static void mode_numbers(void **state) {
    (void)state;
    struct schema_summary rule = {.rule = "mode", .weight = "c", .tolerance = 0.02};
    /* 120 and 121 agree (1 / 121 < 0.02): weight 1 + 2 against 2.5; mean (120 + 2 * 121) / 3 */
    EXPECT(rule, "120.66666666666667", {1, "{\"x\":120,\"c\":1}"}, {5, "{\"x\":90,\"c\":0.5}"},
           {2, "{\"x\":121,\"c\":1}"});
    assert_true(fabs(confidence - 1) < 1e-12);
    rule.tolerance = 0;
    EXPECT(rule, "90", {1, "{\"x\":120,\"c\":1}"}, {5, "{\"x\":90,\"c\":0.5}"}, {2, "{\"x\":121,\"c\":1}"});
    assert_true(fabs(confidence - 0.5) < 1e-12);
}

static void mode_candidates(void **state) {
    (void)state;
    struct schema_summary rule = {.rule = "mode", .weight = "c", .candidates = "all", .value = "k", .strength = "s"};
    /* G is second everywhere and wins: C 0.5, D 0.5, G 0.4 + 0.4 */
    EXPECT(rule, "\"G\"", {1, "{\"x\":\"C\",\"c\":0.5,\"all\":[{\"k\":\"C\",\"s\":0.5},{\"k\":\"G\",\"s\":0.4}]}"},
           {1, "{\"x\":\"D\",\"c\":0.5,\"all\":[{\"k\":\"D\",\"s\":0.5},{\"k\":\"G\",\"s\":0.4}]}"});
    assert_true(fabs(confidence - 0.4) < 1e-12); /* no region's own value agrees: mean strength */
    /* a region without candidates counts with its value */
    EXPECT(rule, "\"C\"", {1, "{\"x\":\"C\",\"c\":0.5,\"all\":[{\"k\":\"C\",\"s\":0.5},{\"k\":\"G\",\"s\":0.4}]}"},
           {1, "{\"x\":\"C\",\"c\":0.3}"});
    assert_true(fabs(confidence - 0.4) < 1e-12); /* (0.5 + 0.3) / 2 */
}

/* D is the second of both, by so little less that both together mean it: 21 * 26 against 51 and 56. */
static void consensus_multiplies(void **state) {
    (void)state;
    struct schema_summary rule = {.rule = "mode", .weight = "c", .candidates = "all", .value = "k", .strength = "s"};
    static const char one[] = "{\"x\":\"C\",\"c\":0.5,\"all\":[{\"k\":\"C\",\"s\":0.5},{\"k\":\"D\",\"s\":0.2}]}";
    static const char other[] = "{\"x\":\"E\",\"c\":0.55,\"all\":[{\"k\":\"E\",\"s\":0.55},{\"k\":\"D\",\"s\":0.25}]}";
    EXPECT(rule, "\"E\"", {1, one}, {1, other});
    rule.rule = "consensus";
    EXPECT(rule, "\"D\"", {1, one}, {1, other});
    assert_true(fabs(confidence - 0.225) < 1e-12); /* the mean of .2 and .25 */
    EXPECT(rule, "\"C\"", {4, one}, {1, other});   /* 51^4 against 21^4 * 26 */
    assert_true(fabs(confidence - 0.5) < 1e-12);
    EXPECT(rule, "\"E\"", {1, "{\"x\":\"C\",\"c\":0,\"all\":[]}"}, {1, other});
    EXPECT(rule, NULL, {1, "{\"x\":null,\"c\":0.9,\"all\":[{\"k\":\"C\",\"s\":0.9}]}"});
    rule = (struct schema_summary){.rule = "consensus", .weight = "c", .tolerance = 0.02};
    EXPECT(rule, "90", {1, "{\"x\":120,\"c\":1}"}, {2, "{\"x\":90,\"c\":0.5}"});
}

/* What was recognised in a small part says more than that the rest wasn't. */
static void unknown_loses(void **state) {
    (void)state;
    EXPECT(RULE("mode"), "\"kick\"", {60, "{\"x\":\"unknown\"}"}, {1, "{\"x\":\"kick\"}"});
    EXPECT(RULE("mode"), "\"unknown\"", {60, "{\"x\":\"unknown\"}"}, {1, "{\"x\":null}"}, {1, "{}"});
    struct schema_summary rule = RULE("mode");
    rule.candidates = "c";
    rule.weight = "w";
    /* neither an unknown region's candidates count, nor the unknown among a known one's */
    EXPECT(
        rule, "\"kick\"",
        {60,
         "{\"x\":\"unknown\",\"w\":0.9,\"c\":[{\"value\":\"unknown\",\"strength\":0.9},{\"value\":\"rain\",\"strength\":0.1}]}"},
        {1,
         "{\"x\":\"kick\",\"w\":0.8,\"c\":[{\"value\":\"kick\",\"strength\":0.5},{\"value\":\"unknown\",\"strength\":0.6}]}"});
    assert_true(fabs(confidence - 0.8) < 1e-12);
    EXPECT(
        rule, "\"unknown\"",
        {60,
         "{\"x\":\"unknown\",\"w\":0.9,\"c\":[{\"value\":\"unknown\",\"strength\":0.9},{\"value\":\"rain\",\"strength\":0.1}]}"});
    /* what every region has rejected doesn't come back, however strong it was */
    EXPECT(
        rule, "\"unknown\"",
        {1,
         "{\"x\":\"unknown\",\"w\":0.3,\"c\":[{\"value\":\"unknown\",\"strength\":0.3},{\"value\":\"rain\",\"strength\":0.4}]}"},
        {1,
         "{\"x\":\"unknown\",\"w\":0.5,\"c\":[{\"value\":\"rain\",\"strength\":0.6},{\"value\":\"unknown\",\"strength\":0.5}]}"});
    assert_true(fabs(confidence - 0.4) < 1e-12);
}

static void many_regions_stay_quick(void **state) {
    (void)state;
    enum { N = 30000 };
    static double durations[N];
    static cJSON *items[N];
    for (int i = 0; i < N; i++) {
        items[i] = cJSON_CreateObject();
        cJSON_AddNumberToObject(items[i], "x", 60 + (i * 7919 % N) * 0.004);
        durations[i] = 1;
    }
    struct schema_summary rule = {.rule = "mode", .property = "x", .as = "x", .tolerance = 0.01};
    cJSON *value = apply(&rule, durations, items, N, NULL);
    assert_true(cJSON_IsNumber(value));
    assert_true(value->valuedouble > 170); /* evenly spread: a ratio reaches furthest at the top */
    cJSON_Delete(value);
    for (int i = 0; i < N; i++) cJSON_Delete(items[i]);
}

/* Ten thousand regions, each with a result of kilobytes: what is kept of them is their numbers. */
static void memory_stays_small(void **state) {
    (void)state;
    enum { N = 10000, LIST = 200 };
    static const char *const names[] = {"longest", "median", "mean", "mode", "concat", "max", "union"};
    for (size_t r = 0; r < sizeof names / sizeof *names; r++) {
        bool list = strcmp(names[r], "longest") == 0 || strcmp(names[r], "concat") == 0;
        struct schema_summary rule = {.rule = names[r], .property = list ? "list" : "x", .as = "x"};
        size_t room = RULES_MAX_BYTES;
        struct rules_sum *sum = rules_begin(&rule, &room);
        struct mallinfo2 before = mallinfo2();
        for (int i = 0; i < N; i++) {
            cJSON *result = cJSON_CreateObject();
            cJSON_AddNumberToObject(result, "x", i % 50);
            cJSON *values = cJSON_AddArrayToObject(result, "list");
            for (int k = 0; k < LIST; k++) cJSON_AddItemToArray(values, cJSON_CreateNumber(k));
            assert_true(rules_add(sum, 1 + i, result));
            cJSON_Delete(result);
        }
        struct mallinfo2 after = mallinfo2();
        assert_true(after.uordblks + after.hblkhd < before.uordblks + before.hblkhd + (4 << 20)); /* of 160 MB */
        struct error error = {0};
        cJSON *value = rules_end(sum, &confidence, &error);
        if (strcmp(names[r], "concat") == 0)
            assert_int_equal(error.code, EOVERFLOW);
        else
            assert_non_null(value);
        cJSON_Delete(value);
        rules_free(sum);
    }
}

static double seconds_of_processor(void) {
    return (double)clock() / CLOCKS_PER_SEC;
}

/* Results of the largest size there is whose values were compared one by one, or member by member, for minutes. */
static void large_values_stay_quick(void **state) {
    (void)state;
    enum { NUMBERS = 150000, MEMBERS = 90000, REGIONS = 3 };
    cJSON *list = cJSON_CreateObject(), *object = cJSON_CreateObject();
    cJSON *numbers = cJSON_AddArrayToObject(list, "x"), *members = cJSON_AddObjectToObject(object, "x");
    const cJSON *const results[] = {list, object};
    for (int i = 0; i < NUMBERS; i++) cJSON_AddItemToArray(numbers, cJSON_CreateNumber(i));
    for (int i = 0; i < MEMBERS; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        cJSON_AddItemToObject(members, name, cJSON_CreateNumber(0));
    }
    double start = seconds_of_processor();
    for (size_t r = 0; r < 4; r++) {
        struct schema_summary rule = {.rule = r % 2 ? "mode" : "union", .property = "x", .as = "x"};
        size_t room = RULES_MAX_BYTES;
        struct rules_sum *sum = rules_begin(&rule, &room);
        for (int i = 0; i < REGIONS; i++) assert_true(rules_add(sum, 1, results[r / 2]));
        cJSON *value = rules_end(sum, &confidence, NULL);
        assert_non_null(value);
        if (r == 0) assert_int_equal(cJSON_GetArraySize(value), RULES_MAX_DISTINCT);
        if (r == 2) assert_int_equal(cJSON_GetArraySize(value), 1);
        cJSON_Delete(value);
        rules_free(sum);
    }
    assert_true(seconds_of_processor() - start < 5);
    cJSON_Delete(list);
    cJSON_Delete(object);
}

/* What rules keep is bounded, also where there are few values but each is as large as a result may be. */
static void large_values_have_bounds(void **state) {
    (void)state;
    enum { REGIONS = 200, BYTES = 1 << 20 };
    static const char *const names[] = {"longest", "mode", "concat", "union"};
    static char text[BYTES + 1];
    memset(text, 'x', BYTES);
    for (size_t r = 0; r < sizeof names / sizeof *names; r++) {
        struct schema_summary rule = {.rule = names[r], .property = "x", .as = "x"};
        size_t room = RULES_MAX_BYTES;
        struct rules_sum *sum = rules_begin(&rule, &room);
        struct mallinfo2 before = mallinfo2();
        for (int i = 0; i < REGIONS; i++) {
            cJSON *result = cJSON_CreateObject();
            text[i] = 'y';
            cJSON_AddStringToObject(result, "x", text);
            assert_true(rules_add(sum, 1 + i, result));
            cJSON_Delete(result);
        }
        struct mallinfo2 after = mallinfo2();
        assert_true(after.uordblks + after.hblkhd < before.uordblks + before.hblkhd + RULES_MAX_BYTES + (4 << 20));
        struct error error = {0};
        cJSON *value = rules_end(sum, &confidence, &error);
        assert_int_equal(error.code, strcmp(names[r], "concat") == 0 ? EOVERFLOW : 0);
        assert_int_equal(value != NULL, error.code == 0);
        cJSON_Delete(value);
        rules_free(sum);
    }
}

/* Rules that share their room give back what they don't keep. */
static void room_is_shared(void **state) {
    (void)state;
    struct schema_summary first = {.rule = "concat", .property = "x", .as = "x"},
                          second = {.rule = "longest", .property = "x", .as = "y"};
    size_t room = 1000;
    struct rules_sum *list = rules_begin(&first, &room), *longest = rules_begin(&second, &room);
    cJSON *result = cJSON_Parse("{\"x\":[1,2,3,4,5,6,7,8,9,10]}");
    assert_true(rules_add(list, 1, result) && rules_add(longest, 1, result));
    struct error error = {0};
    assert_null(rules_end(longest, &confidence, &error)); /* the list has it */
    assert_int_equal(error.code, EOVERFLOW);
    rules_free(longest);
    assert_true(rules_add(list, 1, result)); /* too much for the list */
    assert_int_equal(room, 1000);
    longest = rules_begin(&second, &room);
    assert_true(rules_add(longest, 1, result));
    cJSON *value = rules_end(longest, &confidence, &error);
    assert_int_equal(cJSON_GetArraySize(value), 10);
    cJSON_Delete(value);
    cJSON_Delete(result);
    rules_free(longest);
    rules_free(list);
}

static void first_candidates_count(void **state) {
    (void)state;
    struct schema_summary rule = {.rule = "mode", .property = "x", .as = "x", .candidates = "all"};
    cJSON *result = cJSON_Parse("{\"x\":1,\"all\":[]}"), *all = cJSON_GetObjectItem(result, "all");
    for (int i = 0; i <= RULES_MAX_CANDIDATES; i++) {
        cJSON *candidate = cJSON_CreateObject();
        cJSON_AddNumberToObject(candidate, "value", i);
        cJSON_AddNumberToObject(candidate, "strength", i == RULES_MAX_CANDIDATES ? 9 : i == 7 ? 2 : 1);
        cJSON_AddItemToArray(all, candidate);
    }
    double duration = 1;
    struct error error = {0};
    cJSON *value = apply(&rule, &duration, &result, 1, &error);
    assert_non_null(value);
    assert_true(value->valuedouble == 7);
    cJSON_Delete(value);
    cJSON_Delete(result);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(longest),
        cmocka_unit_test(median),
        cmocka_unit_test(mean),
        cmocka_unit_test(extremes),
        cmocka_unit_test(concat),
        cmocka_unit_test(unions),
        cmocka_unit_test(mode_words),
        cmocka_unit_test(mode_numbers),
        cmocka_unit_test(mode_candidates),
        cmocka_unit_test(consensus_multiplies),
        cmocka_unit_test(unknown_loses),
        cmocka_unit_test(many_regions_stay_quick),
        cmocka_unit_test(memory_stays_small),
        cmocka_unit_test(large_values_stay_quick),
        cmocka_unit_test(large_values_have_bounds),
        cmocka_unit_test(room_is_shared),
        cmocka_unit_test(first_candidates_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
