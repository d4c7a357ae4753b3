/* library_take_descriptor: see library.h. */
#include "workers/host/library.h"

#include "engine/base/text.h"
#include "workers/host/abi.h"
#include "workers/host/writer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ID   100
#define MAX_TEXT 4000
#define LOWER    "abcdefghijklmnopqrstuvwxyz0123456789"

/* What is being checked, for the sentence. */
struct checked {
    const char *plugin; /* its id once known to be good */
    struct error *error;
};

static bool refuse(const struct checked *c, const char *what, const char *detail) {
    return error_set(c->error, "plugin %s: %s%.100s", c->plugin, what, detail);
}

static bool is_text(const char *s, size_t max) {
    size_t n = s ? strnlen(s, max + 1) : 0;
    return n > 0 && n <= max && text_is_utf8(s, n);
}

static bool is_id(const char *s, const char *letters) {
    return is_text(s, MAX_ID) && strspn(s, letters) == strlen(s);
}

static bool check_interfaces(const struct checked *c, const sonde_descriptor_t *d) {
    for (uint32_t i = 0; i < d->provides_count; i++) {
        if (!is_id(d->provides[i].id, LOWER "._-")) return refuse(c, "an interface's id must be of [a-z0-9._-]", "");
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(d->provides[k].id, d->provides[i].id) == 0)
                return refuse(c, "provides twice ", d->provides[i].id);
    }
    for (uint32_t i = 0; i < d->needs_count; i++) {
        const sonde_need_t *need = &d->needs[i];
        if (!is_id(need->id, LOWER "._-")) return refuse(c, "a need's id must be of [a-z0-9._-]", "");
        if (need->necessity > SONDE_NEED_OPTIONAL || need->when > SONDE_NEED_EARLY)
            return refuse(c, "a bad necessity or time of need ", need->id);
        for (uint32_t k = 0; k < i; k++)
            if (d->needs[k].major == need->major && strcmp(d->needs[k].id, need->id) == 0)
                return refuse(c, "needs twice ", need->id);
        for (uint32_t k = 0; k < d->provides_count; k++)
            if (strcmp(d->provides[k].id, need->id) == 0) return refuse(c, "needs what it provides: ", need->id);
    }
    return true;
}

/* Transforms of lengths with large prime factors cost quadratic time. */
static bool is_smooth(uint32_t n) {
    static const uint32_t factors[] = {2, 3, 5, 7};
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++)
        while (n % factors[i] == 0) n /= factors[i];
    return n == 1;
}

static bool check_inputs(const struct checked *c, const sonde_descriptor_t *d) {
    for (uint32_t i = 0; i < d->inputs_count; i++) {
        const sonde_input_t *in = &d->inputs[i];
        if (in->kind > SONDE_INPUT_SPECTRUM) return refuse(c, "an unknown kind of input", "");
        if (in->channels > SONDE_CHANNELS_NATIVE) return refuse(c, "unknown channels of an input", "");
        if (in->rate != 0 && (in->rate < 1000 || in->rate > 768000))
            return refuse(c, "an input's rate must be 0 (the file's own) or 1000 to 768000 Hz", "");
        if (in->kind == SONDE_INPUT_AUDIO) continue;
        if (in->channels == SONDE_CHANNELS_STEREO) return refuse(c, "a spectrum is of MID or NATIVE channels", "");
        if (in->window < 16 || in->window > 65536 || in->window % 2 || !is_smooth(in->window))
            return refuse(c, "a spectrum's window must be even, 16 to 65536, without prime factors above 7", "");
        if (in->hop < 1 || in->hop > in->window) return refuse(c, "a spectrum's hop must be 1 to its window", "");
        if (in->form > SONDE_SPECTRUM_COMPLEX) return refuse(c, "an unknown form of spectrum", "");
    }
    return true;
}

static bool check_choices(const struct checked *c, const sonde_param_t *p) {
    if (!p->choices) return refuse(c, "no choices for parameter ", p->id);
    bool found = false;
    for (uint32_t k = 0; p->choices[k]; k++) {
        if (k >= LIBRARY_MAX_LIST || !is_text(p->choices[k], MAX_ID))
            return refuse(c, "bad choices of parameter ", p->id);
        found |= strcmp(p->choices[k], p->default_text) == 0;
    }
    return found ? true : refuse(c, "the default isn't a choice of parameter ", p->id);
}

static bool check_param(const struct checked *c, const sonde_param_t *p) {
    if (!is_id(p->id, LOWER "_")) return refuse(c, "a parameter's id must be of [a-z0-9_]", "");
    if (!is_text(p->name, MAX_TEXT) || !is_text(p->description, MAX_TEXT))
        return refuse(c, "no name or description of parameter ", p->id);
    if (!p->unit || (p->unit[0] && !is_text(p->unit, MAX_ID))) return refuse(c, "no unit of parameter ", p->id);
    if (p->kind > SONDE_PARAM_FILE) return refuse(c, "an unknown kind of parameter ", p->id);
    if (p->kind == SONDE_PARAM_BOOLEAN)
        return p->default_number == 0 || p->default_number == 1 ? true
                                                                : refuse(c, "default not 0 or 1: parameter ", p->id);
    if (p->kind <= SONDE_PARAM_INTEGER) {
        bool good = isfinite(p->min) && isfinite(p->max) && p->min <= p->default_number && p->default_number <= p->max;
        if (good && p->kind == SONDE_PARAM_INTEGER)
            good = p->min == floor(p->min) && p->max == floor(p->max) && p->default_number == floor(p->default_number);
        return good ? true : refuse(c, "a bad range or default of parameter ", p->id);
    }
    if (!p->default_text || (p->default_text[0] && !is_text(p->default_text, MAX_TEXT)))
        return refuse(c, "no default of parameter ", p->id);
    return p->kind == SONDE_PARAM_CHOICE ? check_choices(c, p) : true;
}

static bool check_arrays(const struct checked *c, const sonde_descriptor_t *d) {
    for (uint32_t i = 0; i < d->arrays_count; i++) {
        const sonde_array_info_t *a = &d->arrays[i];
        if (!is_id(a->name, LOWER "_")) return refuse(c, "an array's name must be of [a-z0-9_]", "");
        if (!is_text(a->unit, MAX_ID) || !is_text(a->description, MAX_TEXT))
            return refuse(c, "no unit or description of array ", a->name);
        if (dtype_size(a->dtype) == 0) return refuse(c, "an unknown dtype of array ", a->name);
        if (a->dimensions < 1 || a->dimensions > 4) return refuse(c, "1 to 4 dimensions, please: array ", a->name);
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(d->arrays[k].name, a->name) == 0) return refuse(c, "two arrays are called ", a->name);
    }
    return true;
}

static bool check_texts(const struct checked *c, const sonde_descriptor_t *d) {
    if (!is_text(d->name, MAX_ID) || !is_text(d->vendor, MAX_ID) || !is_text(d->version, MAX_ID) ||
        !is_text(d->licence, MAX_ID) || !is_text(d->description, MAX_TEXT))
        return refuse(c, "name, vendor, version, licence and description must be there, in UTF-8, and not too long",
                      "");
    return !d->url || is_text(d->url, MAX_TEXT) ? true : refuse(c, "url must be text of up to 4000 bytes, or NULL", "");
}

static bool check_descriptor(const sonde_descriptor_t *d, struct error *error) {
    struct checked c = {"(unnamed)", error};
    if (!is_id(d->id, LOWER "._-")) return refuse(&c, "an id must be of [a-z0-9._-], at most 100 bytes", "");
    c.plugin = d->id;
    if (!check_texts(&c, d)) return false;
    if (d->flags & ~(SONDE_FLAG_DETERMINISTIC | SONDE_FLAG_WHOLE_REGION))
        return refuse(&c, "unknown flags: it may need a newer sonde", "");
    if ((d->flags & SONDE_FLAG_WHOLE_REGION) && !(d->whole_region_seconds > 0 && isfinite(d->whole_region_seconds)))
        return refuse(&c, "WHOLE_REGION needs whole_region_seconds", "");
    if (!check_interfaces(&c, d) || !check_inputs(&c, d) || !check_arrays(&c, d)) return false;
    for (uint32_t i = 0; i < d->params_count; i++) {
        if (!check_param(&c, &d->params[i])) return false;
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(d->params[k].id, d->params[i].id) == 0)
                return refuse(&c, "two parameters are called ", d->params[i].id);
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------------------- copying */

static bool check_list(const struct checked *c, const void *list, uint32_t count, size_t least, const char *what) {
    if (count > LIBRARY_MAX_LIST) return refuse(c, "more than 64 ", what);
    if (count > 0 && !list) return refuse(c, "NULL instead of ", what);
    return abi_check_list(list, count, least) ? true : refuse(c, "struct_size is wrong in ", what);
}

static bool check_lists(const struct checked *c, const sonde_descriptor_t *d) {
    return check_list(c, d->provides, d->provides_count, ABI_1_0_INTERFACE, "provides") &&
           check_list(c, d->needs, d->needs_count, ABI_1_0_NEED, "needs") &&
           check_list(c, d->inputs, d->inputs_count, ABI_1_0_INPUT, "inputs") &&
           check_list(c, d->params, d->params_count, ABI_1_0_PARAM, "params") &&
           check_list(c, d->arrays, d->arrays_count, ABI_1_0_ARRAY_INFO, "arrays");
}

/* A list's copy, at *place, which goes on behind it. */
static const void *take_list(char **place, const void *list, uint32_t count, size_t size) {
    char *copy = *place;
    abi_take_list(copy, size, list, count);
    *place += count * size;
    return copy;
}

/* The copy and its lists in one block; `d` has the copy's size already, and the plugin's lists. */
static sonde_descriptor_t *copy_descriptor(const sonde_descriptor_t *d) {
    sonde_descriptor_t *copy = calloc(1, sizeof *d + d->provides_count * sizeof *d->provides +
                                             d->needs_count * sizeof *d->needs + d->inputs_count * sizeof *d->inputs +
                                             d->params_count * sizeof *d->params + d->arrays_count * sizeof *d->arrays);
    if (!copy) return NULL;
    char *place = (char *)(copy + 1);
    *copy = *d;
    copy->provides = take_list(&place, d->provides, d->provides_count, sizeof *d->provides);
    copy->needs = take_list(&place, d->needs, d->needs_count, sizeof *d->needs);
    copy->inputs = take_list(&place, d->inputs, d->inputs_count, sizeof *d->inputs);
    copy->params = take_list(&place, d->params, d->params_count, sizeof *d->params);
    copy->arrays = take_list(&place, d->arrays, d->arrays_count, sizeof *d->arrays);
    return copy;
}

sonde_descriptor_t *library_take_descriptor(const sonde_descriptor_t *given, struct error *error) {
    const struct checked c = {"(unnamed)", error};
    sonde_descriptor_t d, *copy = NULL;
    if (!given)
        error_set(error, "plugin_at returned NULL");
    else if (!abi_take(&d, sizeof d, given, ABI_1_0_DESCRIPTOR))
        refuse(&c, "struct_size is wrong in ", "the descriptor");
    else if (check_lists(&c, &d) && !(copy = copy_descriptor(&d)))
        error_memory(error);
    if (!copy || check_descriptor(copy, error)) return copy;
    free(copy);
    return NULL;
}
