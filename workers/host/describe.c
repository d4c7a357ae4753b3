#include "workers/host/describe.h"

#include "engine/base/json.h"

#include <string.h>

/* Every function here returns false when out of memory; cJSON's own return NULL then. */

static cJSON *add_object(cJSON *array) {
    cJSON *object = cJSON_CreateObject();
    if (!object || cJSON_AddItemToArray(array, object)) return object;
    cJSON_Delete(object);
    return NULL;
}

static bool add_texts(cJSON *object, const sonde_descriptor_t *d) {
    return cJSON_AddStringToObject(object, "id", d->id) && cJSON_AddStringToObject(object, "name", d->name) &&
           cJSON_AddStringToObject(object, "vendor", d->vendor) &&
           cJSON_AddStringToObject(object, "version", d->version) &&
           cJSON_AddStringToObject(object, "licence", d->licence) &&
           cJSON_AddStringToObject(object, "description", d->description) &&
           (!d->url || cJSON_AddStringToObject(object, "url", d->url));
}

static bool add_flags(cJSON *object, const sonde_descriptor_t *d) {
    cJSON *flags = cJSON_AddArrayToObject(object, "flags");
    if (!flags) return false;
    if ((d->flags & SONDE_FLAG_DETERMINISTIC) && !cJSON_AddItemToArray(flags, cJSON_CreateString("deterministic")))
        return false;
    if (!(d->flags & SONDE_FLAG_WHOLE_REGION)) return true;
    return cJSON_AddItemToArray(flags, cJSON_CreateString("whole_region")) &&
           cJSON_AddNumberToObject(object, "whole_region_seconds", d->whole_region_seconds);
}

/* The schema was compiled when the library was loaded, so it parses. */
static bool add_schema(cJSON *object, const sonde_descriptor_t *d) {
    cJSON *schema = d->schema ? json_parse(d->schema, strnlen(d->schema, SCHEMA_MAX_BYTES + 1), SCHEMA_MAX_BYTES,
                                           2 * SCHEMA_MAX_DEPTH + 2, NULL)
                              : cJSON_CreateNull();
    if (schema && cJSON_AddItemToObject(object, "schema", schema)) return true;
    cJSON_Delete(schema);
    return false;
}

static bool add_interfaces(cJSON *object, const sonde_descriptor_t *d) {
    cJSON *provides = cJSON_AddArrayToObject(object, "provides"), *needs = cJSON_AddArrayToObject(object, "needs");
    for (uint32_t i = 0; provides && i < d->provides_count; i++) {
        cJSON *one = add_object(provides);
        if (!one || !cJSON_AddStringToObject(one, "id", d->provides[i].id) ||
            !cJSON_AddNumberToObject(one, "major", d->provides[i].major))
            return false;
    }
    for (uint32_t i = 0; needs && i < d->needs_count; i++) {
        cJSON *one = add_object(needs);
        if (!one || !cJSON_AddStringToObject(one, "id", d->needs[i].id) ||
            !cJSON_AddNumberToObject(one, "major", d->needs[i].major) ||
            !cJSON_AddBoolToObject(one, "required", d->needs[i].necessity == SONDE_NEED_REQUIRED) ||
            !cJSON_AddBoolToObject(one, "early", d->needs[i].when == SONDE_NEED_EARLY))
            return false;
    }
    return provides && needs;
}

static bool add_inputs(cJSON *object, const sonde_descriptor_t *d) {
    static const char *const kinds[] = {"audio", "spectrum"}, *const channels[] = {"mid", "stereo", "native"},
                             *const forms[] = {"power", "complex"};
    cJSON *inputs = cJSON_AddArrayToObject(object, "inputs");
    for (uint32_t i = 0; inputs && i < d->inputs_count; i++) {
        const sonde_input_t *in = &d->inputs[i];
        cJSON *one = add_object(inputs);
        if (!one || !cJSON_AddStringToObject(one, "kind", kinds[in->kind]) ||
            !cJSON_AddStringToObject(one, "channels", channels[in->channels]) ||
            !cJSON_AddNumberToObject(one, "rate", in->rate))
            return false;
        if (in->kind == SONDE_INPUT_AUDIO) continue;
        if (!cJSON_AddNumberToObject(one, "window", in->window) || !cJSON_AddNumberToObject(one, "hop", in->hop) ||
            !cJSON_AddStringToObject(one, "form", forms[in->form]))
            return false;
    }
    return inputs;
}

static bool add_param(cJSON *one, const sonde_param_t *p) {
    static const char *const kinds[] = {"number", "integer", "boolean", "choice", "text", "file"};
    if (!cJSON_AddStringToObject(one, "id", p->id) || !cJSON_AddStringToObject(one, "name", p->name) ||
        !cJSON_AddStringToObject(one, "kind", kinds[p->kind]) ||
        !cJSON_AddStringToObject(one, "description", p->description) || !cJSON_AddStringToObject(one, "unit", p->unit))
        return false;
    if (p->kind == SONDE_PARAM_BOOLEAN) return cJSON_AddBoolToObject(one, "default", p->default_number != 0);
    if (p->kind <= SONDE_PARAM_INTEGER)
        return cJSON_AddNumberToObject(one, "min", p->min) && cJSON_AddNumberToObject(one, "max", p->max) &&
               cJSON_AddNumberToObject(one, "default", p->default_number);
    if (!cJSON_AddStringToObject(one, "default", p->default_text)) return false;
    if (p->kind != SONDE_PARAM_CHOICE) return true;
    cJSON *choices = cJSON_AddArrayToObject(one, "choices");
    for (uint32_t i = 0; choices && p->choices[i]; i++)
        if (!cJSON_AddItemToArray(choices, cJSON_CreateString(p->choices[i]))) return false;
    return choices;
}

static bool add_params(cJSON *object, const struct host_plugin *plugin) {
    const sonde_descriptor_t *d = plugin->descriptor;
    cJSON *params = cJSON_AddArrayToObject(object, "params");
    for (uint32_t i = 0; params && i < d->params_count; i++) {
        cJSON *one = add_object(params);
        if (!one || !add_param(one, &d->params[i])) return false;
    }
    cJSON *effective = params ? params_to_json(d, &plugin->params) : NULL;
    if (effective && cJSON_AddItemToObject(object, "effective", effective)) return true;
    cJSON_Delete(effective);
    return false;
}

static bool add_arrays(cJSON *object, const sonde_descriptor_t *d) {
    cJSON *arrays = cJSON_AddArrayToObject(object, "arrays");
    for (uint32_t i = 0; arrays && i < d->arrays_count; i++) {
        cJSON *one = add_object(arrays);
        if (!one || !cJSON_AddStringToObject(one, "name", d->arrays[i].name) ||
            !cJSON_AddStringToObject(one, "dtype", dtype_name(d->arrays[i].dtype)) ||
            !cJSON_AddStringToObject(one, "unit", d->arrays[i].unit) ||
            !cJSON_AddNumberToObject(one, "dimensions", d->arrays[i].dimensions) ||
            !cJSON_AddStringToObject(one, "description", d->arrays[i].description))
            return false;
    }
    return arrays;
}

/* A library's resources count for each of its plugins: which one reads what isn't known. */
static bool add_resources(cJSON *object, const struct library *library) {
    cJSON *resources = cJSON_AddArrayToObject(object, "resources");
    for (size_t i = 0; resources && i < library->resources_count; i++) {
        cJSON *one = add_object(resources);
        if (!one || !cJSON_AddStringToObject(one, "name", library->resources[i].name) ||
            !cJSON_AddStringToObject(one, "hash", library->resources[i].hash))
            return false;
    }
    return resources;
}

static bool add_plugin(cJSON *plugins, const struct host_plugin *plugin) {
    cJSON *object = add_object(plugins);
    const sonde_descriptor_t *d = plugin->descriptor;
    bool good = object && add_texts(object, d) && add_schema(object, d) && add_flags(object, d) &&
                add_interfaces(object, d) && add_inputs(object, d) && add_params(object, plugin) &&
                add_arrays(object, d) && add_resources(object, plugin->library) &&
                cJSON_AddStringToObject(object, "outcome", plugin->instance ? "ok" : "failed");
    if (!good || plugin->instance) return good;
    if (!plugin->params.values && !cJSON_AddTrueToObject(object, "settings_refused")) return false;
    return cJSON_AddStringToObject(object, "reason", plugin->failure.text);
}

bool describe_library(cJSON *message, const struct host *host, const struct library *library) {
    cJSON *plugins = cJSON_AddStringToObject(message, "hash", library->hash)
                         ? cJSON_AddArrayToObject(message, "plugins")
                         : NULL;
    for (size_t i = 0; plugins && i < host_plugins_count(host); i++) {
        const struct host_plugin *plugin = host_plugin_at(host, i);
        if (plugin->library == library && !add_plugin(plugins, plugin)) return false;
    }
    return plugins;
}
