#include "engine/schedule/published.h"

#include "engine/base/json.h"
#include "engine/base/schema.h"

#include "classifier_schema.h"
#include "content_timeline_schema.h"
#include "features_schema.h"
#include "key_schema.h"
#include "tempo_meter_schema.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *id;
    int major;
    const char *schema;
} interfaces[] = {{"classifier", 1, classifier_schema},
                  {"content_timeline", 1, content_timeline_schema},
                  {"features", 1, features_schema},
                  {"key", 1, key_schema},
                  {"tempo_meter", 1, tempo_meter_schema}};
enum { INTERFACES = sizeof interfaces / sizeof *interfaces };

static bool makes_value(const char *text, const char *name) {
    char word[200];
    (void)snprintf(word, sizeof word, "\"%s\"", name);
    if (!strstr(text, word)) return false; /* which is most, and soon known */
    struct schema *schema = schema_compile(text, strlen(text), NULL);
    bool makes = false;
    for (size_t i = 0; schema && i < schema_summary_count(schema); i++) {
        const struct schema_summary *rule = schema_summary_at(schema, i);
        makes |= strcmp(rule->as, name) == 0 || (rule->confidence_as && strcmp(rule->confidence_as, name) == 0);
    }
    schema_free(schema);
    return makes;
}

static bool provides(const cJSON *descriptor, const char *interface) {
    const cJSON *one = NULL;
    cJSON_ArrayForEach(one, json_member(descriptor, "provides")) {
        if (strcmp(json_string(one, "id", ""), interface) == 0) return true;
    }
    return false;
}

const char *published_other_owner(const cJSON *descriptor, const char *name) {
    for (int i = 0; i < INTERFACES; i++)
        if (makes_value(interfaces[i].schema, name))
            return provides(descriptor, interfaces[i].id) ? NULL : interfaces[i].id;
    return NULL;
}

/* Lets every object have members that the schema doesn't name: fields may be added to an interface. */
static bool open_up(cJSON *schema) {
    cJSON *properties = cJSON_GetObjectItemCaseSensitive(schema, "properties"), *one = NULL;
    cJSON *items = cJSON_GetObjectItemCaseSensitive(schema, "items");
    cJSON_DeleteItemFromObjectCaseSensitive(schema, "additionalProperties");
    if (properties && !cJSON_AddTrueToObject(schema, "additionalProperties")) return false;
    cJSON_ArrayForEach(one, properties) {
        if (!open_up(one)) return false;
    }
    return !items || open_up(items);
}

/* The schema with its objects open. NULL: out of memory. */
static struct schema *compile_open(const char *text) {
    cJSON *tree = cJSON_Parse(text);
    char *opened = tree && open_up(tree) ? cJSON_PrintUnformatted(tree) : NULL;
    struct schema *schema = opened ? schema_compile(opened, strlen(opened), NULL) : NULL;
    cJSON_free(opened);
    cJSON_Delete(tree);
    return schema;
}

bool published_check(const char *interface, int major, const cJSON *result, struct error *error) {
    for (int i = 0; i < INTERFACES; i++) {
        if (strcmp(interfaces[i].id, interface) != 0 || interfaces[i].major != major) continue;
        struct schema *schema = compile_open(interfaces[i].schema);
        bool fine = schema ? schema_check(schema, result, error) : error_memory(error);
        schema_free(schema);
        return fine;
    }
    return true;
}
