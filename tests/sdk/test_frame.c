/* sonde/frame.hpp through the host: every exception ends the region with an outcome and a sentence, the instance goes on or is
 * replaced, and nothing leaks (under the address sanitizer). The plugin is throwing.cpp (environment variable SONDE_THROWING). */
#include "workers/host/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FRAMES 1000

static int log_level; /* of the last line that was logged */

static void on_log(void *context, const char *plugin, int level, const char *text) {
    (void)context;
    (void)plugin;
    (void)text;
    log_level = level;
}

static struct host *new_host(const char *what) {
    static const struct host_hooks hooks = {.log = on_log};
    struct error error = {0};
    log_level = -1;
    struct host *host = host_new(&hooks, &error);
    assert_non_null(host);
    assert_non_null(getenv("SONDE_THROWING"));
    cJSON *settings = cJSON_CreateObject();
    cJSON_AddStringToObject(cJSON_AddObjectToObject(settings, "throwing"), "what", what);
    if (!host_load(host, getenv("SONDE_THROWING"), NULL, NULL, settings, &error)) fail_msg("%s", error.text);
    cJSON_Delete(settings);
    host_create(host);
    return host;
}

/* Two regions with one instance: both must end alike. */
static void outcome_is(const char *what, const char *outcome, const char *reason) {
    struct host *host = new_host(what);
    const struct host_plugin *plugin = host_plugin_at(host, 0);
    static const float samples[FRAMES];
    const float *planes[1] = {samples};
    const sonde_region_t region = {.struct_size = sizeof region,
                                   .regions = 1,
                                   .parts = 1,
                                   .rate = 8000,
                                   .channels = 1,
                                   .frames = FRAMES,
                                   .duration = (double)FRAMES / 8000};
    for (int i = 0; i < 2; i++) {
        struct error error = {0};
        if (!host_region_begin(host, &region, &plugin, 1, NULL, 0, 100, &error)) fail_msg("%s", error.text);
        host_region_feed(host, planes, FRAMES);
        host_region_finish(host);
        const struct host_result *result = host_result(host, 0);
        if (strcmp(host_outcome_name(result->outcome), outcome) != 0 || !strstr(result->reason, reason))
            fail_msg("%s: %s: %s", what, host_outcome_name(result->outcome), result->reason);
        host_region_end(host);
        assert_non_null(plugin->instance);
    }
    host_free(host);
}

static void exceptions_become_outcomes(void **state) {
    (void)state;
    outcome_is("", "ok", "");
    outcome_is("begin:exception", "failed", "something is odd in begin");
    outcome_is("process:exception", "failed", "something is odd in process");
    outcome_is("finish:exception", "failed", "something is odd in finish");
    outcome_is("process:range", "failed", "range");
    assert_int_equal(log_level, SONDE_LOG_ERROR);
    outcome_is("begin:unsupported", "unsupported", "not for begin");
    assert_int_equal(log_level, SONDE_LOG_INFO);
    outcome_is("process:empty", "empty", "nothing in process");
    assert_int_equal(log_level, SONDE_LOG_INFO);
    outcome_is("finish:empty", "empty", "nothing in finish");
}

static void memory_is_memory(void **state) {
    (void)state;
    outcome_is("begin:bad_alloc", "memory", "");
    outcome_is("process:bad_alloc", "memory", "");
    outcome_is("finish:bad_alloc", "memory", "");
}

static void what_is_no_exception_replaces_the_instance(void **state) {
    (void)state;
    outcome_is("begin:number", "failed", "broken in begin");
    outcome_is("process:number", "failed", "broken in process");
    outcome_is("finish:number", "failed", "broken in finish");
}

static void constructor_that_throws_makes_no_instance(void **state) {
    (void)state;
    struct host *host = new_host("create:exception");
    const struct host_plugin *plugin = host_plugin_at(host, 0);
    assert_null(plugin->instance);
    assert_non_null(strstr(plugin->failure.text, "something is odd in create"));
    host_free(host);
    host = new_host("create:bad_alloc");
    assert_null(host_plugin_at(host, 0)->instance);
    assert_non_null(strstr(host_plugin_at(host, 0)->failure.text, "memory"));
    host_free(host);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(exceptions_become_outcomes), cmocka_unit_test(memory_is_memory),
                                       cmocka_unit_test(what_is_no_exception_replaces_the_instance),
                                       cmocka_unit_test(constructor_that_throws_makes_no_instance)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
