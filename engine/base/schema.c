#include "engine/base/schema.h"

#include "engine/base/json.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INSTANT_TOLERANCE 0.001 /* s: a millisecond of rounding is forgiven */

enum type {
    TYPE_OBJECT = 1,
    TYPE_ARRAY = 2,
    TYPE_STRING = 4,
    TYPE_NUMBER = 8,
    TYPE_INTEGER = 16,
    TYPE_BOOLEAN = 32,
    TYPE_NULL = 64,
    TYPE_ANY = 127
};

static const struct {
    const char *name;
    unsigned type;
} type_names[] = {{"object", TYPE_OBJECT}, {"array", TYPE_ARRAY},     {"string", TYPE_STRING},
                  {"number", TYPE_NUMBER}, {"integer", TYPE_INTEGER}, {"boolean", TYPE_BOOLEAN},
                  {"null", TYPE_NULL}};

/* One compiled schema. Strings and JSON values point into schema.source. */
struct node {
    unsigned types;        /* of enum type; several are alternatives */
    bool instant;          /* its numbers are instants */
    bool holds_instants;   /* it, or something inside it, is */
    bool additional;       /* members that properties doesn't name are allowed */
    const cJSON *choices;  /* the array of `enum`, or NULL */
    const cJSON *constant; /* NULL when there is none */
    double minimum, maximum;
    double min_items, max_items;
    struct node *items; /* NULL: anything */
    size_t count;
    struct member *members;
};

struct member {
    const char *name;
    bool required;
    struct node *node;
};

struct schema {
    cJSON *source;
    struct node *root;
    size_t summary_count;
    struct schema_summary *summaries;
};

/* Where in the schema or in the result we are: a chain through the recursion, written out only for an error. */
struct path {
    const struct path *parent;
    const char *name; /* NULL: an index */
    size_t index;
};

static void path_write(const struct path *path, bool schema, char *out, size_t size) {
    out[0] = '\0';
    if (!path) return;
    path_write(path->parent, schema, out, size);
    size_t used = strlen(out);
    if (!path->name)
        snprintf(out + used, size - used, "[%zu]", path->index);
    else
        snprintf(out + used, size - used, "%s%.60s", schema ? "/" : used ? "." : "", path->name);
}

#define PATH_TEXT 300

static bool refuse_schema(struct error *error, const struct path *path, const char *what, const char *detail) {
    char place[PATH_TEXT];
    path_write(path, true, place, sizeof place);
    return error_set(error, "schema%s%s: %s%.60s", path ? " at " : "", place, what, detail);
}

static bool refuse_value(struct error *error, const struct path *path, const char *what) {
    char place[PATH_TEXT];
    path_write(path, false, place, sizeof place);
    return error_set(error, "%s %s", path ? place : "the result", what);
}

/* ---------------------------------------------------------------------------------------------------------- compile */

static void node_free(struct node *node) {
    if (!node) return;
    for (size_t i = 0; i < node->count; i++) node_free(node->members[i].node);
    free(node->members);
    node_free(node->items);
    free(node);
}

static unsigned type_by_name(const char *name) {
    for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++)
        if (strcmp(type_names[i].name, name) == 0) return type_names[i].type;
    return 0;
}

static bool read_types(struct node *node, const cJSON *item, const struct path *path, struct error *error) {
    if (cJSON_IsString(item))
        node->types = type_by_name(item->valuestring);
    else if (cJSON_IsArray(item))
        for (const cJSON *one = item->child; one; one = one->next) {
            unsigned type = cJSON_IsString(one) ? type_by_name(one->valuestring) : 0;
            if (type == 0) return refuse_schema(error, path, "an unknown type", "");
            node->types |= type;
        }
    return node->types ? true : refuse_schema(error, path, "type must be one of the seven, or a list of them", "");
}

static bool read_limit(double *limit, const cJSON *item, bool count, const struct path *path, struct error *error) {
    bool good = cJSON_IsNumber(item) && isfinite(item->valuedouble);
    if (good && count) good = item->valuedouble >= 0 && item->valuedouble == floor(item->valuedouble);
    if (!good) return refuse_schema(error, path, item->string, count ? " must be a whole number" : " must be a number");
    *limit = item->valuedouble;
    return true;
}

/* What enum and const may hold. Objects and arrays there would be of little use, and cost quadratic time to compare. */
static bool is_scalar(const cJSON *item) {
    return cJSON_IsString(item) || cJSON_IsBool(item) || cJSON_IsNull(item) ||
           (cJSON_IsNumber(item) && isfinite(item->valuedouble));
}

/* A keyword that needs no other to be understood. `known` is left false for those that need a second look. */
static bool read_keyword(struct node *node, const cJSON *item, bool *known, const struct path *path,
                         struct error *error) {
    const char *key = item->string;
    *known = true;
    if (strcmp(key, "type") == 0) return read_types(node, item, path, error);
    if (strcmp(key, "minimum") == 0) return read_limit(&node->minimum, item, false, path, error);
    if (strcmp(key, "maximum") == 0) return read_limit(&node->maximum, item, false, path, error);
    if (strcmp(key, "minItems") == 0) return read_limit(&node->min_items, item, true, path, error);
    if (strcmp(key, "maxItems") == 0) return read_limit(&node->max_items, item, true, path, error);
    if (strcmp(key, "const") == 0) {
        node->constant = item;
        return is_scalar(item) ? true
                               : refuse_schema(error, path, "const must be text, a number, a boolean or null", "");
    }
    if (strcmp(key, "enum") == 0) {
        node->choices = item;
        bool good = cJSON_IsArray(item) && item->child;
        for (const cJSON *one = item->child; one && good; one = one->next) good = is_scalar(one);
        return good ? true : refuse_schema(error, path, "enum must be a list of texts, numbers, booleans or nulls", "");
    }
    if (strcmp(key, "additionalProperties") == 0) {
        node->additional = cJSON_IsTrue(item);
        return cJSON_IsBool(item) ? true : refuse_schema(error, path, "additionalProperties must be true or false", "");
    }
    if (strcmp(key, "title") == 0 || strcmp(key, "description") == 0 || strcmp(key, "x-source") == 0)
        return cJSON_IsString(item) ? true : refuse_schema(error, path, key, " must be text");
    if (strcmp(key, "x-unit") == 0) {
        bool good = cJSON_IsString(item) && item->valuestring[0] && strlen(item->valuestring) <= 40;
        return good ? true : refuse_schema(error, path, "x-unit must be a unit's name", "");
    }
    *known = false;
    return true;
}

static struct node *compile(const cJSON *source, const char *unit, int depth, const struct path *path,
                            struct error *error);

static int compare_members(const void *a, const void *b) {
    return strcmp(((const struct member *)a)->name, ((const struct member *)b)->name);
}

static struct member *find_member(const struct node *node, const char *name) {
    struct member wanted = {.name = name};
    return node->count ? bsearch(&wanted, node->members, node->count, sizeof wanted, compare_members) : NULL;
}

static bool compile_members(struct node *node, const cJSON *properties, int depth, const struct path *path,
                            struct error *error) {
    if (!cJSON_IsObject(properties)) return refuse_schema(error, path, "properties must be an object", "");
    int count = cJSON_GetArraySize(properties);
    if (count == 0) return true;
    node->members = calloc((size_t)count, sizeof *node->members);
    if (!node->members) return error_memory(error);
    struct path at = {path, "properties", 0};
    for (const cJSON *item = properties->child; item; item = item->next) {
        struct path here = {&at, item->string, 0};
        struct member *member = &node->members[node->count];
        member->name = item->string;
        member->node = compile(item, NULL, depth + 1, &here, error);
        if (!member->node) return false;
        node->count++;
        node->holds_instants |= member->node->holds_instants;
    }
    /* Sorted, because a large result may ask for a large schema's members very often. */
    qsort(node->members, node->count, sizeof *node->members, compare_members);
    return true;
}

static bool compile_required(struct node *node, const cJSON *required, const struct path *path, struct error *error) {
    if (!cJSON_IsArray(required)) return refuse_schema(error, path, "required must be a list of names", "");
    for (const cJSON *item = required->child; item; item = item->next) {
        if (!cJSON_IsString(item)) return refuse_schema(error, path, "required must be a list of names", "");
        struct member *member = find_member(node, item->valuestring);
        if (!member) return refuse_schema(error, path, "required names what properties doesn't: ", item->valuestring);
        member->required = true;
    }
    return true;
}

static bool compile_into(struct node *node, const cJSON *source, const char *unit, int depth, const struct path *path,
                         struct error *error) {
    if (!cJSON_IsObject(source)) return refuse_schema(error, path, "a schema must be an object", "");
    if (depth > SCHEMA_MAX_DEPTH) return refuse_schema(error, path, "nested more than 16 deep", "");
    unit = json_string(source, "x-unit", unit);
    for (const cJSON *item = source->child; item; item = item->next) {
        bool known = false;
        if (!read_keyword(node, item, &known, path, error)) return false;
        if (known) continue;
        if (strcmp(item->string, "properties") == 0) {
            if (!compile_members(node, item, depth, path, error)) return false;
        } else if (strcmp(item->string, "items") == 0) {
            struct path here = {path, "items", 0};
            node->items = compile(item, unit, depth + 1, &here, error);
            if (!node->items) return false;
            node->holds_instants |= node->items->holds_instants;
        } else if (strcmp(item->string, "x-summary") == 0) {
            bool property = depth == 2 && path && path->parent && strcmp(path->parent->name, "properties") == 0;
            if (!property) return refuse_schema(error, path, "x-summary belongs on a property of the top level", "");
        } else if (strcmp(item->string, "required") != 0) {
            return refuse_schema(error, path, "not in the subset: ", item->string);
        }
    }
    const cJSON *required = json_member(source, "required");
    if (required && !compile_required(node, required, path, error)) return false;
    if (node->types == 0) {
        if (!node->choices && !node->constant) return refuse_schema(error, path, "type is missing", "");
        node->types = TYPE_ANY;
    } else if ((node->types & (TYPE_NUMBER | TYPE_INTEGER)) && !unit) {
        return refuse_schema(error, path, "a number needs an x-unit", "");
    }
    node->instant = unit && strcmp(unit, "s@region") == 0;
    node->holds_instants |= node->instant;
    if (node->minimum > node->maximum) return refuse_schema(error, path, "minimum is above maximum", "");
    if (node->min_items > node->max_items) return refuse_schema(error, path, "minItems is above maxItems", "");
    return true;
}

static struct node *compile(const cJSON *source, const char *unit, int depth, const struct path *path,
                            struct error *error) {
    struct node *node = calloc(1, sizeof *node);
    if (!node) {
        error_memory(error);
        return NULL;
    }
    node->minimum = -INFINITY;
    node->maximum = INFINITY;
    node->max_items = INFINITY;
    if (compile_into(node, source, unit, depth, path, error)) return node;
    node_free(node);
    return NULL;
}

/* ----------------------------------------------------------------------------------------------------- summary rules */

static bool is_name(const char *s) {
    return s && s[0] && strlen(s) <= 60 && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(s);
}

/* What the summarised property must be able to hold; mode, consensus and longest take anything. */
static unsigned rule_types(const char *rule) {
    static const struct {
        const char *name;
        unsigned types;
    } rules[] = {{"longest", TYPE_ANY},
                 {"mode", TYPE_ANY},
                 {"consensus", TYPE_ANY},
                 {"median", TYPE_NUMBER | TYPE_INTEGER},
                 {"mean", TYPE_NUMBER | TYPE_INTEGER},
                 {"max", TYPE_NUMBER | TYPE_INTEGER},
                 {"min", TYPE_NUMBER | TYPE_INTEGER},
                 {"sum", TYPE_NUMBER | TYPE_INTEGER},
                 {"concat", TYPE_ARRAY},
                 {"union", TYPE_STRING | TYPE_ARRAY | TYPE_NUMBER | TYPE_INTEGER | TYPE_BOOLEAN}};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (strcmp(rules[i].name, rule) == 0) return rules[i].types;
    return 0;
}

static bool check_candidates(const struct schema *schema, const struct schema_summary *summary, const struct path *path,
                             struct error *error) {
    const struct member *list = find_member(schema->root, summary->candidates);
    const struct node *item = list && (list->node->types & TYPE_ARRAY) ? list->node->items : NULL;
    if (!item || !(item->types & TYPE_OBJECT))
        return refuse_schema(error, path, "candidates must name an array of objects: ", summary->candidates);
    if (!find_member(item, summary->value)) return refuse_schema(error, path, "candidates have no ", summary->value);
    const struct member *strength = find_member(item, summary->strength);
    if (!strength || !(strength->node->types & (TYPE_NUMBER | TYPE_INTEGER)))
        return refuse_schema(error, path, "candidates have no number ", summary->strength);
    return true;
}

static bool check_summary(const struct schema *schema, const struct schema_summary *summary, const struct path *path,
                          struct error *error) {
    unsigned types = rule_types(summary->rule);
    if (types == 0) return refuse_schema(error, path, "unknown rule ", summary->rule);
    if (!(find_member(schema->root, summary->property)->node->types & types))
        return refuse_schema(error, path, "a value of this type has no ", summary->rule);
    if (!is_name(summary->as)) return refuse_schema(error, path, "\"as\" must be a name of [a-z0-9_]", "");
    if (summary->confidence_as && !is_name(summary->confidence_as))
        return refuse_schema(error, path, "\"confidence_as\" must be a name of [a-z0-9_]", "");
    if (!(summary->tolerance >= 0 && summary->tolerance <= 1))
        return refuse_schema(error, path, "tolerance must lie within 0 and 1", "");
    if (summary->weight) {
        const struct member *weight = find_member(schema->root, summary->weight);
        if (!weight || !(weight->node->types & (TYPE_NUMBER | TYPE_INTEGER)))
            return refuse_schema(error, path, "weight must name a number: ", summary->weight);
    }
    if (summary->candidates && !check_candidates(schema, summary, path, error)) return false;
    for (const struct schema_summary *other = schema->summaries; other < summary; other++) {
        const char *names[] = {summary->as, summary->confidence_as}, *taken[] = {other->as, other->confidence_as};
        for (int i = 0; i < 4; i++)
            if (names[i / 2] && taken[i % 2] && strcmp(names[i / 2], taken[i % 2]) == 0)
                return refuse_schema(error, path, "a second value is called ", names[i / 2]);
    }
    return true;
}

static bool read_summary(const struct schema *schema, struct schema_summary *summary, const cJSON *rule,
                         const char *property, struct error *error) {
    struct path top = {NULL, "properties", 0}, mid = {&top, property, 0}, path = {&mid, "x-summary", 0};
    static const char *const known[] = {"as",    "rule",     "weight",        "candidates",
                                        "value", "strength", "confidence_as", "tolerance"};
    const char *texts[7] = {NULL};
    if (!cJSON_IsObject(rule)) return refuse_schema(error, &path, "must be an object", "");
    for (const cJSON *item = rule->child; item; item = item->next) {
        size_t k = 0;
        while (k < 8 && strcmp(known[k], item->string) != 0) k++;
        if (k == 8) return refuse_schema(error, &path, "unknown member ", item->string);
        if (k < 7 ? !cJSON_IsString(item) : !cJSON_IsNumber(item))
            return refuse_schema(error, &path, item->string, k < 7 ? " must be text" : " must be a number");
        if (k < 7) texts[k] = item->valuestring;
    }
    *summary = (struct schema_summary){
        .property = property,
        .as = texts[0],
        .rule = texts[1] ? texts[1] : "",
        .weight = texts[2],
        .candidates = texts[3],
        .value = texts[4]   ? texts[4]
                 : texts[3] ? "value"
                            : NULL,
        .strength = texts[5]   ? texts[5]
                    : texts[3] ? "strength"
                               : NULL,
        .confidence_as = texts[6],
        .tolerance = json_number(rule, "tolerance", 0),
    };
    return check_summary(schema, summary, &path, error);
}

static bool compile_summaries(struct schema *schema, struct error *error) {
    const cJSON *properties = json_member(schema->source, "properties");
    size_t count = 0;
    for (const cJSON *item = properties ? properties->child : NULL; item; item = item->next)
        if (json_member(item, "x-summary")) count++;
    if (count == 0) return true;
    schema->summaries = calloc(count, sizeof *schema->summaries);
    if (!schema->summaries) return error_memory(error);
    for (const cJSON *item = properties->child; item; item = item->next) {
        const cJSON *rule = json_member(item, "x-summary");
        if (!rule) continue;
        if (!read_summary(schema, &schema->summaries[schema->summary_count], rule, item->string, error)) return false;
        schema->summary_count++;
    }
    return true;
}

struct schema *schema_compile(const char *text, size_t n, struct error *error) {
    struct schema *schema = calloc(1, sizeof *schema);
    if (!schema) {
        error_memory(error);
        return NULL;
    }
    /* A level of schema takes two of JSON ("properties" and the property), and enum or x-summary one more. */
    schema->source = json_parse(text, n, SCHEMA_MAX_BYTES, 2 * SCHEMA_MAX_DEPTH + 2, error);
    if (schema->source) schema->root = compile(schema->source, NULL, 1, NULL, error);
    bool good = schema->root != NULL;
    if (good && schema->root->types != TYPE_OBJECT) good = error_set(error, "schema: a result must be of type object");
    if (good) good = compile_summaries(schema, error);
    if (good) return schema;
    schema_free(schema);
    return NULL;
}

void schema_free(struct schema *schema) {
    if (!schema) return;
    node_free(schema->root);
    free(schema->summaries);
    cJSON_Delete(schema->source);
    free(schema);
}

size_t schema_summary_count(const struct schema *schema) {
    return schema->summary_count;
}

const struct schema_summary *schema_summary_at(const struct schema *schema, size_t index) {
    return &schema->summaries[index];
}

/* ------------------------------------------------------------------------------------------------------------ check */

static unsigned types_of(const cJSON *value) {
    if (cJSON_IsObject(value)) return TYPE_OBJECT;
    if (cJSON_IsArray(value)) return TYPE_ARRAY;
    if (cJSON_IsString(value)) return TYPE_STRING;
    if (cJSON_IsBool(value)) return TYPE_BOOLEAN;
    if (cJSON_IsNull(value)) return TYPE_NULL;
    if (!cJSON_IsNumber(value)) return 0;
    return value->valuedouble == floor(value->valuedouble) ? TYPE_NUMBER | TYPE_INTEGER : TYPE_NUMBER;
}

static bool is_choice(const cJSON *choices, const cJSON *value) {
    for (const cJSON *one = choices->child; one; one = one->next)
        if (cJSON_Compare(one, value, true)) return true;
    return false;
}

static bool check(const struct node *node, const cJSON *value, const struct path *path, struct error *error);

static bool check_object(const struct node *node, const cJSON *value, const struct path *path, struct error *error) {
    size_t required = 0, seen = 0;
    for (size_t i = 0; i < node->count; i++) required += node->members[i].required;
    for (const cJSON *item = value->child; item; item = item->next) {
        struct path here = {path, item->string, 0};
        const struct member *member = find_member(node, item->string);
        if (!member && !node->additional) return refuse_value(error, &here, "is not in the schema");
        if (member && !check(member->node, item, &here, error)) return false;
        if (member) seen += member->required;
    }
    if (seen == required) return true;
    for (size_t i = 0; i < node->count; i++) {
        struct path here = {path, node->members[i].name, 0};
        if (node->members[i].required && !json_member(value, node->members[i].name))
            return refuse_value(error, &here, "is missing");
    }
    return refuse_value(error, path, "has a member twice");
}

static bool check_array(const struct node *node, const cJSON *value, const struct path *path, struct error *error) {
    size_t count = 0;
    for (const cJSON *item = value->child; item; item = item->next, count++) {
        struct path here = {path, NULL, count};
        if (node->items && !check(node->items, item, &here, error)) return false;
    }
    if ((double)count < node->min_items) return refuse_value(error, path, "has too few items");
    if ((double)count > node->max_items) return refuse_value(error, path, "has too many items");
    return true;
}

static bool check(const struct node *node, const cJSON *value, const struct path *path, struct error *error) {
    unsigned types = types_of(value);
    if (types & TYPE_NUMBER && !isfinite(value->valuedouble))
        return refuse_value(error, path, "is not a finite number");
    if (!(types & node->types)) return refuse_value(error, path, "has the wrong type");
    if (node->constant && !cJSON_Compare(node->constant, value, true))
        return refuse_value(error, path, "is not the constant that the schema gives");
    if (node->choices && !is_choice(node->choices, value))
        return refuse_value(error, path, "is not one of the schema's values");
    if (types & TYPE_NUMBER && value->valuedouble < node->minimum)
        return refuse_value(error, path, "is below the minimum");
    if (types & TYPE_NUMBER && value->valuedouble > node->maximum)
        return refuse_value(error, path, "is above the maximum");
    if (types == TYPE_OBJECT && node->types != TYPE_ANY) return check_object(node, value, path, error);
    if (types == TYPE_ARRAY) return check_array(node, value, path, error);
    return true;
}

bool schema_check(const struct schema *schema, const cJSON *value, struct error *error) {
    return check(schema->root, value, NULL, error);
}

/* --------------------------------------------------------------------------------------------------------- instants */

/* Visits the instants below `value`. With `change`, each is clamped and shifted; without, one outside is an error. */
struct instants {
    double duration, offset;
    bool change;
};

static bool visit_instants(const struct node *node, cJSON *value, const struct instants *how, const struct path *path,
                           struct error *error) {
    if (!node->holds_instants) return true;
    if (cJSON_IsNumber(value) && node->instant) {
        double t = value->valuedouble;
        if (how->change)
            cJSON_SetNumberHelper(value, fmin(fmax(t, 0), how->duration) + how->offset);
        else if (!(t >= -INSTANT_TOLERANCE && t <= how->duration + INSTANT_TOLERANCE))
            return refuse_value(error, path, "is an instant outside the region");
        return true;
    }
    size_t index = 0;
    for (cJSON *item = value->child; item; item = item->next, index++) {
        bool array = cJSON_IsArray(value);
        struct path here = {path, array ? NULL : item->string, index};
        const struct member *member = array ? NULL : find_member(node, item->string);
        const struct node *below = array ? node->items : member ? member->node : NULL;
        if (below && !visit_instants(below, item, how, &here, error)) return false;
    }
    return true;
}

bool schema_check_instants(const struct schema *schema, const cJSON *value, double duration, struct error *error) {
    struct instants how = {.duration = duration};
    /* Nothing is written without `change`. */
    return visit_instants(schema->root, (cJSON *)(uintptr_t)value, &how, NULL, error);
}

void schema_shift_instants(const struct schema *schema, cJSON *value, double duration, double offset) {
    struct instants how = {.duration = duration, .offset = offset, .change = true};
    visit_instants(schema->root, value, &how, NULL, NULL);
}
