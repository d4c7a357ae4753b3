#include "workers/host/params.h"

#include "engine/base/json.h"
#include "engine/base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT 4000

static bool is_text_kind(uint32_t kind) {
    return kind >= SONDE_PARAM_CHOICE;
}

/* Whether a parameter is on, in the words of the configuration file. */
static bool read_word(const char *text, double *value) {
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(text, words[i]) != 0) continue;
        *value = (double)(i % 2);
        return true;
    }
    return false;
}

/* A number from JSON: a number, true or false, or text that is exactly one of these. */
static bool read_number(const sonde_param_t *p, const cJSON *item, double *value) {
    const char *text = cJSON_GetStringValue(item);
    if (cJSON_IsNumber(item))
        *value = item->valuedouble;
    else if (cJSON_IsBool(item))
        *value = cJSON_IsTrue(item) ? 1 : 0;
    else if (!text)
        return false;
    else if (p->kind != SONDE_PARAM_BOOLEAN || !read_word(text, value)) {
        char *end = NULL;
        *value = strtod(text, &end);
        if (end == text || *end) return false;
    }
    return isfinite(*value);
}

static bool set_number(const sonde_param_t *p, const cJSON *item, double *number, struct error *error) {
    bool boolean = p->kind == SONDE_PARAM_BOOLEAN, good = read_number(p, item, number);
    const char *given = cJSON_GetStringValue(item), *space = p->unit[0] ? " " : "";
    if (boolean)
        return good && (*number == 0 || *number == 1) ? true
                                                      : error_set(error, "parameter %s should be yes or no", p->id);
    if (!good) return error_set(error, "parameter %s should be a number, not \"%.100s\"", p->id, given ? given : "");
    if (p->kind == SONDE_PARAM_INTEGER && *number != floor(*number))
        return error_set(error, "parameter %s should be a whole number, not %g", p->id, *number);
    if (*number < p->min || *number > p->max)
        return error_set(error, "parameter %s should be from %g to %g%s%s, not %g", p->id, p->min, p->max, space,
                         p->unit, *number);
    return true;
}

static bool check_text(const sonde_param_t *p, const char *text, struct error *error) {
    if (!text || strlen(text) > MAX_TEXT || !text_is_utf8(text, strlen(text)))
        return error_set(error, "parameter %s must be text of at most 4000 bytes", p->id);
    if (p->kind != SONDE_PARAM_CHOICE) return true;
    for (uint32_t i = 0; p->choices[i]; i++)
        if (strcmp(p->choices[i], text) == 0) return true;
    char choices[300] = "";
    for (uint32_t i = 0; p->choices[i]; i++) {
        size_t used = strlen(choices);
        snprintf(choices + used, sizeof choices - used, "%s%s", i ? ", " : "", p->choices[i]);
    }
    return error_set(error, "parameter %s should be one of %s, not \"%.100s\"", p->id, choices, text);
}

static bool set_value(const sonde_param_t *p, const cJSON *item, sonde_param_value_t *value, struct error *error) {
    *value = (sonde_param_value_t){.struct_size = sizeof *value, .id = p->id, .number = p->default_number};
    if (!is_text_kind(p->kind)) return item ? set_number(p, item, &value->number, error) : true;
    value->number = 0;
    const char *text = item ? cJSON_GetStringValue(item) : p->default_text;
    if (!check_text(p, text, error)) return false;
    value->text = strdup(text);
    return value->text ? true : error_memory(error);
}

static bool check_known(const sonde_descriptor_t *descriptor, const cJSON *settings, struct error *error) {
    for (const cJSON *item = settings ? settings->child : NULL; item; item = item->next) {
        bool known = false;
        for (uint32_t i = 0; i < descriptor->params_count; i++)
            known |= strcmp(descriptor->params[i].id, item->string ? item->string : "") == 0;
        if (!known) return error_set(error, "plugin %s has no parameter \"%.100s\"", descriptor->id, item->string);
    }
    return true;
}

bool params_make(const sonde_descriptor_t *descriptor, const cJSON *settings, struct params *params,
                 struct error *error) {
    *params = (struct params){0};
    if (settings && !cJSON_IsObject(settings)) return error_set(error, "the parameters must be an object");
    if (!check_known(descriptor, settings, error)) return false;
    params->values = calloc(descriptor->params_count + 1, sizeof *params->values);
    if (!params->values) return error_memory(error);
    for (; params->count < descriptor->params_count; params->count++) {
        const sonde_param_t *p = &descriptor->params[params->count];
        if (set_value(p, json_member(settings, p->id), &params->values[params->count], error)) continue;
        params_free(params);
        return false;
    }
    return true;
}

void params_free(struct params *params) {
    for (uint32_t i = 0; i < params->count; i++) free((char *)(uintptr_t)params->values[i].text);
    free(params->values);
    *params = (struct params){0};
}

cJSON *params_to_json(const sonde_descriptor_t *descriptor, const struct params *params) {
    cJSON *object = cJSON_CreateObject();
    for (uint32_t i = 0; object && i < params->count; i++) {
        const sonde_param_value_t *value = &params->values[i];
        cJSON *item = is_text_kind(descriptor->params[i].kind)            ? cJSON_CreateString(value->text)
                      : descriptor->params[i].kind == SONDE_PARAM_BOOLEAN ? cJSON_CreateBool(value->number != 0)
                                                                          : cJSON_CreateNumber(value->number);
        if (item && cJSON_AddItemToObject(object, value->id, item)) continue;
        cJSON_Delete(item);
        cJSON_Delete(object);
        object = NULL;
    }
    return object;
}
