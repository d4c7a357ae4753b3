/* engine/base/schema: what is a schema, what fits one, and what hostile ones cost. */
#include "engine/base/json.h"
#include "engine/base/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NUMBER             "{\"type\":\"number\",\"x-unit\":\"1\"}"
#define OBJECT(properties) "{\"type\":\"object\",\"properties\":{" properties "}}"

static struct schema *compile(const char *text, struct error *error) {
    return schema_compile(text, strlen(text), error);
}

static void assert_refused(const char *text, const char *expected) {
    struct error error = {0};
    struct schema *schema = compile(text, &error);
    if (schema) fail_msg("taken as a schema: %s", text);
    if (!strstr(error.text, expected)) fail_msg("\"%s\" doesn't say \"%s\"", error.text, expected);
}

static void schemas_outside_the_subset_are_refused(void **state) {
    (void)state;
    assert_refused("[]", "must be an object");
    assert_refused("{}", "type is missing");
    assert_refused("{\"type\":\"array\"}", "must be of type object");
    assert_refused("{\"type\":\"object\",\"$ref\":\"#\"}", "$ref");
    assert_refused(OBJECT("\"a\":{\"type\":\"string\",\"pattern\":\"x\"}"),
                   "/properties/a: not in the subset: pattern");
    assert_refused(OBJECT("\"a\":{\"type\":\"float\"}"), "/properties/a: type must be one of the seven");
    assert_refused(OBJECT("\"a\":{\"type\":\"number\"}"), "/properties/a: a number needs an x-unit");
    assert_refused(OBJECT("\"a\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}"), "/properties/a/items");
    assert_refused(OBJECT("\"a\":{\"type\":[\"null\",7]}"), "unknown type");
    assert_refused(OBJECT("\"a\":{\"enum\":[]}"), "enum must be a list");
    assert_refused(OBJECT("\"a\":{\"enum\":[{}]}"), "enum must be a list");
    assert_refused(OBJECT("\"a\":{\"const\":[1]}"), "const must be text");
    assert_refused(OBJECT("\"a\":{\"type\":\"number\",\"x-unit\":\"\"}"), "x-unit");
    assert_refused(OBJECT("\"a\":{\"type\":\"number\",\"x-unit\":\"s\",\"minimum\":2,\"maximum\":1}"),
                   "minimum is above");
    assert_refused(OBJECT("\"a\":{\"type\":\"array\",\"minItems\":-1}"), "whole number");
    assert_refused(OBJECT("\"a\":{\"type\":\"array\",\"minItems\":3,\"maxItems\":2}"), "minItems is above");
    assert_refused("{\"type\":\"object\",\"required\":[\"a\"]}", "required names what properties doesn't: a");
    assert_refused("{\"type\":\"object\",\"additionalProperties\":{}}", "additionalProperties");
    assert_refused("{\"type\":\"object\",\"properties\":[]}", "properties must be an object");
    assert_refused("{\"type\":\"object\",\"x-summary\":{}}", "x-summary belongs");
    assert_refused(OBJECT("\"a\":" OBJECT("\"b\":{\"type\":\"null\",\"x-summary\":{}}")), "x-summary belongs");
    assert_refused("{\"type\":\"object\",\"items\":{\"type\":\"null\",\"x-summary\":{}}}", "/items: x-summary belongs");
    assert_refused("{\"type\":\"object\"", "not valid JSON");
}

static void summary_rules_are_checked(void **state) {
    (void)state;
    assert_refused(OBJECT("\"a\":{\"type\":\"string\",\"x-summary\":{\"as\":\"a\",\"rule\":\"mean\"}}"), "no mean");
    assert_refused(OBJECT("\"a\":{\"type\":\"string\",\"x-summary\":{\"as\":\"a\",\"rule\":\"vote\"}}"),
                   "unknown rule vote");
    assert_refused(OBJECT("\"a\":{\"type\":\"string\",\"x-summary\":{\"rule\":\"mode\"}}"), "\"as\" must be");
    assert_refused(OBJECT("\"a\":{\"type\":\"string\",\"x-summary\":{\"as\":\"A b\",\"rule\":\"mode\"}}"),
                   "\"as\" must be");
    assert_refused(OBJECT("\"a\":{\"type\":\"string\",\"x-summary\":{\"as\":\"a\",\"rule\":\"mode\",\"by\":1}}"), "by");
    assert_refused(
        OBJECT("\"a\":{\"type\":\"string\",\"x-summary\":{\"as\":\"a\",\"rule\":\"mode\",\"weight\":\"c\"}}"),
        "weight must name a number: c");
    assert_refused(OBJECT("\"a\":{\"type\":\"string\",\"x-summary\":{\"as\":\"a\",\"rule\":\"mode\",\"tolerance\":2}}"),
                   "tolerance");
    assert_refused(
        OBJECT("\"a\":{\"type\":\"string\",\"x-summary\":{\"as\":\"a\",\"rule\":\"mode\",\"candidates\":\"a\"}}"),
        "candidates must name an array");
    assert_refused(
        OBJECT("\"a\":{\"type\":\"string\",\"x-summary\":{\"as\":\"x\",\"rule\":\"mode\"}},"
               "\"b\":{\"type\":\"string\",\"x-summary\":{\"as\":\"y\",\"rule\":\"mode\",\"confidence_as\":\"x\"}}"),
        "a second value is called x");
    struct error error = {0};
    struct schema *schema = compile(
        OBJECT(
            "\"bpm\":{\"type\":[\"number\",\"null\"],\"x-unit\":\"bpm\",\"x-summary\":{\"as\":\"bpm\",\"rule\":\"mode\","
            "\"weight\":\"sure\",\"candidates\":\"others\",\"value\":\"bpm\",\"confidence_as\":\"bpm_confidence\","
            "\"tolerance\":0.04}},\"sure\":{\"type\":\"number\",\"x-unit\":\"probability\"},\"others\":{\"type\":\"array\","
            "\"items\":" OBJECT("\"bpm\":" NUMBER ",\"strength\":" NUMBER) "}"),
        &error);
    if (!schema) fail_msg("%s", error.text);
    assert_int_equal(schema_summary_count(schema), 1);
    const struct schema_summary *s = schema_summary_at(schema, 0);
    assert_string_equal(s->property, "bpm");
    assert_string_equal(s->rule, "mode");
    assert_string_equal(s->weight, "sure");
    assert_string_equal(s->candidates, "others");
    assert_string_equal(s->value, "bpm");
    assert_string_equal(s->strength, "strength");
    assert_string_equal(s->confidence_as, "bpm_confidence");
    assert_true(s->tolerance == 0.04);
    schema_free(schema);
}

static const char *const segments =
    "{\"type\":\"object\",\"required\":[\"segments\"],\"properties\":{\"segments\":{\"type\":\"array\",\"minItems\":1,"
    "\"maxItems\":3,\"items\":{\"type\":\"object\",\"required\":[\"start\"],\"properties\":{"
    "\"start\":{\"type\":\"number\",\"x-unit\":\"s@region\"},\"length\":{\"type\":\"number\",\"x-unit\":\"s\"},"
    "\"label\":{\"enum\":[\"speech\",\"music\",null]},\"count\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":9,"
    "\"x-unit\":\"count\"}}}},\"beats\":{\"type\":\"array\",\"x-unit\":\"s@region\",\"items\":{\"type\":\"number\"}},"
    "\"version\":{\"const\":2},\"free\":{\"type\":\"object\",\"additionalProperties\":true},\"peak\":{\"type\":"
    "[\"number\",\"null\"],\"x-unit\":\"s@region\"}}}";

static void results_are_checked(void **state) {
    (void)state;
    static const struct {
        const char *json, *expected; /* NULL: fits */
    } cases[] = {
        {"{\"segments\":[{\"start\":0}]}", NULL},
        {"{\"segments\":[{\"start\":0.5,\"length\":1,\"label\":null,\"count\":3}],\"beats\":[],\"version\":2,"
         "\"free\":{\"x\":[{}]},\"peak\":null}",
         NULL},
        {"{}", "segments is missing"},
        {"[]", "the result has the wrong type"},
        {"{\"segments\":[]}", "segments has too few"},
        {"{\"segments\":[{\"start\":0},{\"start\":0},{\"start\":0},{\"start\":0}]}", "segments has too many"},
        {"{\"segments\":[{\"start\":0},{}]}", "segments[1].start is missing"},
        {"{\"segments\":[{\"start\":\"0\"}]}", "segments[0].start has the wrong type"},
        {"{\"segments\":[{\"start\":0,\"label\":\"noise\"}]}", "segments[0].label is not one of"},
        {"{\"segments\":[{\"start\":0,\"count\":1.5}]}", "segments[0].count has the wrong type"},
        {"{\"segments\":[{\"start\":0,\"count\":-1}]}", "segments[0].count is below"},
        {"{\"segments\":[{\"start\":0,\"count\":10}]}", "segments[0].count is above"},
        {"{\"segments\":[{\"start\":0,\"extra\":1}]}", "segments[0].extra is not in the schema"},
        {"{\"segments\":[{\"start\":0}],\"version\":3}", "version is not the constant"},
        {"{\"segments\":[{\"start\":0}],\"beats\":[1,\"x\"]}", "beats[1] has the wrong type"},
        {"{\"segments\":[{\"start\":0}],\"peak\":1e999}", "peak is not a finite number"},
    };
    struct error error = {0};
    struct schema *schema = compile(segments, &error);
    if (!schema) fail_msg("%s", error.text);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cJSON *value = json_parse(cases[i].json, strlen(cases[i].json), RESULT_MAX_BYTES, RESULT_MAX_DEPTH, &error);
        assert_non_null(value);
        bool good = schema_check(schema, value, &error);
        if (good != !cases[i].expected) fail_msg("%s: %s", cases[i].json, good ? "was taken" : error.text);
        if (!good && !strstr(error.text, cases[i].expected)) fail_msg("%s: %s", cases[i].json, error.text);
        cJSON_Delete(value);
    }
    schema_free(schema);
}

static void only_instants_are_shifted(void **state) {
    (void)state;
    struct error error = {0};
    struct schema *schema = compile(segments, &error);
    assert_non_null(schema);
    const char *text =
        "{\"segments\":[{\"start\":1,\"length\":2,\"count\":3}],\"beats\":[-0.0005,4.0009],\"peak\":null}";
    cJSON *value = json_parse(text, strlen(text), RESULT_MAX_BYTES, RESULT_MAX_DEPTH, &error);
    assert_true(schema_check(schema, value, &error));
    assert_true(schema_check_instants(schema, value, 4, &error));
    assert_false(schema_check_instants(schema, value, 3.9, &error));
    assert_string_equal(error.text, "beats[1] is an instant outside the region");
    schema_shift_instants(schema, value, 4, 100);
    char *shifted = cJSON_PrintUnformatted(value);
    assert_string_equal(shifted,
                        "{\"segments\":[{\"start\":101,\"length\":2,\"count\":3}],\"beats\":[100,104],\"peak\":null}");
    free(shifted);
    cJSON_Delete(value);
    schema_free(schema);
}

static void hostile_schemas_are_bounded(void **state) {
    (void)state;
    char *deep = malloc(SCHEMA_MAX_BYTES + 100);
    assert_non_null(deep);
    size_t n = 0;
    for (int i = 0; i < 17; i++) n += (size_t)sprintf(deep + n, "{\"type\":\"object\",\"properties\":{\"a\":");
    n += (size_t)sprintf(deep + n, NUMBER);
    for (int i = 0; i < 17; i++) n += (size_t)sprintf(deep + n, "}}");
    assert_refused(deep, "nested more than");
    memset(deep, ' ', SCHEMA_MAX_BYTES + 1);
    assert_null(schema_compile(deep, SCHEMA_MAX_BYTES + 1, NULL));
    assert_null(schema_compile("{\"type\":\"object\",\"type\":\"object\"}", 33, NULL));

    /* Thousands of properties, and a result that asks for them as often as 1 MiB allows. */
    n = (size_t)sprintf(
        deep, "{\"type\":\"object\",\"properties\":{\"list\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
              "\"additionalProperties\":true,\"properties\":{");
    for (int i = 0; n < SCHEMA_MAX_BYTES - 60; i++)
        n += (size_t)sprintf(deep + n, "%s\"%d\":{\"const\":0}", i ? "," : "", i);
    n += (size_t)sprintf(deep + n, "}}}}}");
    struct error error = {0};
    struct schema *schema = schema_compile(deep, n, &error);
    if (!schema) fail_msg("%s", error.text);
    char *text = malloc(RESULT_MAX_BYTES + 100);
    assert_non_null(text);
    n = (size_t)sprintf(text, "{\"list\":[");
    for (int i = 0; n < RESULT_MAX_BYTES - 40; i++) n += (size_t)sprintf(text + n, "%s{\"3000\":0}", i ? "," : "");
    n += (size_t)sprintf(text + n, "]}");
    cJSON *value = json_parse(text, n, RESULT_MAX_BYTES, RESULT_MAX_DEPTH, &error);
    assert_non_null(value);
    assert_true(schema_check(schema, value, &error));
    cJSON_Delete(value);
    schema_free(schema);
    free(text);
    free(deep);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemas_outside_the_subset_are_refused),
        cmocka_unit_test(summary_rules_are_checked),
        cmocka_unit_test(results_are_checked),
        cmocka_unit_test(only_instants_are_shifted),
        cmocka_unit_test(hostile_schemas_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
