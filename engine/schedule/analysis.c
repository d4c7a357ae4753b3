/* Which plugins run next on which region.
 *
 * There are no fixed levels: a job takes all plugins of a group whose needs are met by results that are over or by members of
 * the same job; what needs something early, or from another group, is left for a later job of the same region. So no worker
 * ever waits for another, and a slow group delays only who reads from it. */
#include "engine/base/json.h"
#include "engine/schedule/identity.h"
#include "engine/schedule/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool begin_region(struct file *file, struct region *region) {
    const struct registry *registry = file->engine->registry;
    if (!region->results) region->results = calloc(registry->plugins_count + 1, sizeof *region->results);
    region->alone = calloc(registry->groups_count + 1, sizeof *region->alone);
    if (!region->results || !region->alone) return false;
    region->open = 0;
    int64_t only = file->engine->options.only_region;
    bool asked = only < 0 || region == &file->regions[only];
    for (size_t i = 0; i < registry->plugins_count; i++) {
        if (asked && registry->plugins[i].enabled)
            region->open++;
        else
            region->results[i].state = RESULT_OVER;
    }
    return true;
}

/* ---------------------------------------------------------------------------------------------------------------- needs */

enum source_kind { SOURCE_NONE, SOURCE_WAIT, SOURCE_INPUT, SOURCE_SAME_JOB };

/* Where plugin `index` gets a need from, if `members` (may be NULL) run together with it. */
static enum source_kind find_source(const struct file *file, const struct region *region, size_t index,
                                    const struct registry_need *need, const bool *members, size_t *provider) {
    const struct registry_plugin *plugins = file->engine->registry->plugins;
    for (size_t k = 0; k < need->providers_count; k++) {
        size_t other = need->providers[k];
        const struct result *result = &region->results[other];
        *provider = other;
        if (result->state == RESULT_OVER) {
            if (result_is_usable(result)) return SOURCE_INPUT;
            continue;
        }
        bool together = members && members[other] && !need->early && plugins[other].group == plugins[index].group;
        return result->state == RESULT_PENDING && together ? SOURCE_SAME_JOB : SOURCE_WAIT;
    }
    return SOURCE_NONE;
}

/* Inside a job the host hands over what a member provides before it looks at inputs. So whoever is to read a better provider's
 * result must not run together with a lesser one. */
static bool is_misled(const struct file *file, size_t index, const struct registry_need *need, const bool *members,
                      enum source_kind kind, size_t provider) {
    const struct registry *registry = file->engine->registry;
    for (size_t k = 0; k < need->providers_count; k++) {
        size_t other = need->providers[k];
        if (other == index || !members[other] || registry->plugins[other].group != registry->plugins[index].group)
            continue;
        if (kind == SOURCE_INPUT || (kind == SOURCE_SAME_JOB && other != provider && other < provider)) return true;
    }
    return false;
}

static bool can_run(const struct file *file, const struct region *region, size_t index, const bool *members) {
    const struct registry_plugin *plugin = &file->engine->registry->plugins[index];
    if (plugin->stands_by != SIZE_MAX && region->results[plugin->stands_by].state != RESULT_OVER) return false;
    for (size_t n = 0; n < plugin->needs_count && !plugin->unmet; n++) {
        size_t provider = 0;
        enum source_kind kind = find_source(file, region, index, &plugin->needs[n], members, &provider);
        if (kind == SOURCE_WAIT || is_misled(file, index, &plugin->needs[n], members, kind, provider)) return false;
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------------------- identity */

/* Fills in the identity of `index`, and first of those in the same job that it reads. */
static bool make_identity(const struct file *file, struct region *region, size_t index, const bool *members) {
    const struct registry *registry = file->engine->registry;
    const struct registry_plugin *plugin = &registry->plugins[index];
    struct identity_input *inputs = calloc(plugin->needs_count + 1, sizeof *inputs);
    bool ok = inputs != NULL;
    for (size_t n = 0; ok && n < plugin->needs_count; n++) {
        size_t provider = 0;
        enum source_kind kind = find_source(file, region, index, &plugin->needs[n], members, &provider);
        inputs[n] = (struct identity_input){.interface = plugin->needs[n].interface, .identity = ""};
        if (kind == SOURCE_SAME_JOB) ok = make_identity(file, region, provider, members);
        if (kind != SOURCE_NONE) inputs[n].identity = region->results[provider].identity;
    }
    ok = ok && identity_of_result(region->identity, plugin->base, inputs, plugin->needs_count,
                                  region->results[index].identity);
    free(inputs);
    return ok;
}

/* What it reads, for the provenance: {"interface": {"plugin": id, "identity": hash}}. */
static char *describe_inputs(const struct file *file, const struct region *region, size_t index, const bool *members) {
    const struct registry *registry = file->engine->registry;
    const struct registry_plugin *plugin = &registry->plugins[index];
    cJSON *all = plugin->needs_count > 0 ? cJSON_CreateObject() : NULL;
    for (size_t n = 0; all && n < plugin->needs_count; n++) {
        size_t provider = 0;
        if (find_source(file, region, index, &plugin->needs[n], members, &provider) == SOURCE_NONE) continue;
        cJSON *one = cJSON_AddObjectToObject(all, plugin->needs[n].interface);
        if (!one || !cJSON_AddStringToObject(one, "plugin", registry->plugins[provider].id) ||
            !cJSON_AddStringToObject(one, "identity", region->results[provider].identity))
            break;
    }
    char *text = all ? json_print(all) : NULL;
    cJSON_Delete(all);
    return text;
}

/* ------------------------------------------------------------------------------------------------ results without a run */

/* The result was in the catalogue and stands. */
static void take_known(struct file *file, struct region *region, size_t index) {
    struct result *result = &region->results[index];
    result_set(result, result->had_outcome, NULL);
    result->known = true;
    result->state = RESULT_OVER;
    result->loaded = strcmp(result->outcome, "ok") != 0;
    if (result_is_failure(result->outcome)) file->results_failed++;
    analysis_over(file, region, SIZE_MAX);
}

/* Ends a result that nothing was run for. */
static void end_without_run(struct file *file, struct region *region, size_t index, const char *outcome,
                            const char *reason, bool passing) {
    struct result *result = &region->results[index];
    result_set(result, outcome, reason);
    result->passing = passing;
    analysis_over(file, region, index);
}

/* Whether the plugin stands by for one that had something to say, or rightly nothing. */
static bool is_not_needed(const struct file *file, const struct region *region, size_t index) {
    size_t better = file->engine->registry->plugins[index].stands_by;
    if (better == SIZE_MAX) return false;
    const char *outcome = region->results[better].outcome;
    return strcmp(outcome, "ok") == 0 || strcmp(outcome, "empty") == 0 || strcmp(outcome, "unsupported") == 0 ||
           is_not_needed(file, region, better);
}

/* Nothing is recorded of a stand-in that isn't needed; what it said when it was is history. */
static void leave_out(struct file *file, struct region *region, size_t index) {
    struct result *result = &region->results[index];
    if (result->had && !record_retired(file->engine, region, index)) engine_fail_memory(file->engine);
    result_set(result, "skipped", NULL);
    result->known = true;
    result->state = RESULT_OVER;
    result->loaded = true;
    analysis_over(file, region, SIZE_MAX);
}

/* The first required need of the plugin that no result meets, in a sentence; false when there is none. */
static bool describe_unmet(const struct file *file, const struct region *region, size_t index, const bool *members,
                           char *text, size_t size) {
    const struct registry *registry = file->engine->registry;
    const struct registry_plugin *plugin = &registry->plugins[index];
    for (size_t n = 0; n < plugin->needs_count; n++) {
        const struct registry_need *need = &plugin->needs[n];
        size_t provider = 0;
        if (!need->required || find_source(file, region, index, need, members, &provider) != SOURCE_NONE) continue;
        (void)snprintf(text, size, "its input %s is missing", need->interface);
        if (need->providers_count == 0) return true;
        const struct result *result = &region->results[need->providers[0]];
        (void)snprintf(text, size, "its input %s is missing: %s says %s%s%.300s", need->interface,
                       registry->plugins[need->providers[0]].id, result->outcome, result->reason ? ": " : "",
                       result->reason ? result->reason : "");
        return true;
    }
    return false;
}

/* Whether an outcome of this identity need not be sought again. */
static bool stands(const struct engine *engine, const char *outcome) {
    if (!result_is_lasting(outcome)) return false;
    return !engine->options.retry || !result_is_failure(outcome);
}

/* Decides on a plugin that could run now without running it, if it can. */
static bool settle(struct file *file, struct region *region, size_t index, const bool *members) {
    struct engine *engine = file->engine;
    struct result *result = &region->results[index];
    const struct registry_plugin *plugin = &engine->registry->plugins[index];
    struct pool *pool = engine->groups[plugin->group].pool;
    bool same = result->had && strcmp(result->had_identity, result->identity) == 0;
    char reason[600];
    if (is_not_needed(file, region, index)) {
        leave_out(file, region, index);
    } else if (plugin->unmet) {
        end_without_run(file, region, index, "skipped", plugin->reason, false);
    } else if (same && !file->force && stands(engine, result->had_outcome)) {
        take_known(file, region, index);
    } else if (same && result->strikes >= STRIKES_MAX && !engine->options.retry) {
        end_without_run(file, region, index, "quarantined", "it has died twice on exactly this (sonde incidents)",
                        false);
    } else if (describe_unmet(file, region, index, members, reason, sizeof reason)) {
        end_without_run(file, region, index, "skipped", reason, false);
    } else if (pool_is_closed(pool)) {
        (void)snprintf(reason, sizeof reason, "its worker cannot be started: %s", pool_closed_reason(pool));
        bool counts = !plugin->third_party; /* for others the line about the plugin says it */
        file->results_unrun += counts;
        engine->progress.results_unrun += counts;
        end_without_run(file, region, index, "skipped", reason, true);
    } else if (!circuit_allows(engine, index)) {
        end_without_run(file, region, index, "skipped", CIRCUIT_OPEN, true);
    } else {
        return false;
    }
    return true;
}

/* ----------------------------------------------------------------------------------------------------------------- plan */

/* The members of the next job of `group` on the region; false when there is none now. `*alone`: it is a single one that must
 * have a fresh worker. */
static bool plan(struct file *file, struct region *region, size_t group, bool *members, bool *alone) {
    struct engine *engine = file->engine;
    size_t n = engine->registry->plugins_count, count = 0;
    *alone = region->alone[group];
    for (size_t i = 0; i < n; i++) {
        members[i] = engine->registry->plugins[i].group == group && region->results[i].state == RESULT_PENDING &&
                     !engine->plugins[i].isolated && !engine->plugins[i].breaker.trying;
        count += members[i];
    }
    for (bool changed = count > 0 && !*alone; changed;) {
        changed = false;
        for (size_t i = 0; i < n; i++) {
            if (!members[i] || can_run(file, region, i, members)) continue;
            members[i] = false;
            changed = true;
            count--;
        }
    }
    if (count > 0 && !*alone) return true;
    /* One at a time: those that are tested alone, and bundled plugins whose circuit is open. */
    memset(members, 0, n * sizeof *members);
    for (size_t i = 0; i < n; i++) {
        bool single = engine->registry->plugins[i].group == group && region->results[i].state == RESULT_PENDING &&
                      !engine->plugins[i].breaker.trying && (*alone || engine->plugins[i].isolated);
        members[i] = single;
        if (single && can_run(file, region, i, members)) {
            *alone = true;
            return true;
        }
        members[i] = false;
    }
    return false;
}

/* ----------------------------------------------------------------------------------------- inputs out of the catalogue */

struct loading {
    struct engine *engine;
    struct file *file;
    struct region *region;
    size_t plugin;
    int64_t region_row, analysis;
    double start; /* s: of the region, which stored arrays count from the file's start */
    struct store_known_list known;
    struct store_array_list arrays;
};

static bool load(struct catalogue *catalogue, void *argument, struct error *error) {
    struct loading *loading = argument;
    store_known_free(&loading->known);
    store_arrays_free(&loading->arrays);
    loading->known = (struct store_known_list){0};
    loading->arrays = (struct store_array_list){0};
    return store_known_region(catalogue, loading->region_row, true, &loading->known, error) &&
           store_arrays_load(catalogue, loading->analysis, &loading->arrays, error);
}

static bool take_arrays(struct result *result, const struct store_array_list *list, double start) {
    result->arrays = calloc(list->n + 1, sizeof *result->arrays);
    for (size_t i = 0; result->arrays && i < list->n; i++) {
        const struct store_array *from = &list->items[i];
        struct array *to = &result->arrays[result->arrays_count++];
        *to = (struct array){.dimensions = from->dimensions, .hop = from->hop, .bytes = from->bytes};
        to->start = from->start - start;
        to->name = strdup(from->name);
        to->unit = strdup(from->unit ? from->unit : "");
        to->data = malloc(from->bytes + 1);
        (void)snprintf(to->dtype, sizeof to->dtype, "%s", from->dtype);
        memcpy(to->shape, from->shape, sizeof to->shape);
        if (!to->name || !to->unit || !to->data) return false;
        memcpy(to->data, from->data, from->bytes);
    }
    return result->arrays != NULL;
}

/* What is stored counts from the start of the file; inputs count from the start of the region. */
static bool take_loaded(struct loading *loading) {
    struct file *file = loading->file;
    const struct registry_plugin *plugin = &loading->engine->registry->plugins[loading->plugin];
    struct result *result = &loading->region->results[loading->plugin];
    for (size_t i = 0; i < loading->known.n; i++) {
        const struct store_known *known = &loading->known.items[i];
        if (known->analysis != loading->analysis || !known->json) continue;
        result->json = cJSON_Parse(known->json);
        const struct store_region *frames = &loading->region->frames;
        double length = (double)(frames->end - frames->start) / file->rate;
        if (result->json && plugin->schema)
            schema_shift_instants(plugin->schema, result->json, length + loading->start, -loading->start);
    }
    return result->json && take_arrays(result, &loading->arrays, loading->start);
}

/* Counts the results of a region that aren't over, and the file's regions of which none is a bundled plugin's. */
static void count_open(struct file *file, struct region *region) {
    const struct registry *registry = file->engine->registry;
    file->regions_heard -= region->heard;
    region->open = 0;
    region->heard = true;
    for (size_t i = 0; i < registry->plugins_count; i++) {
        if (region->results[i].state == RESULT_OVER) continue;
        region->open++;
        if (!registry->plugins[i].third_party) region->heard = false;
    }
    file->regions_heard += region->heard;
}

/* Its stored result is there no more, or there is no memory for it now: it is made anew, and so may be what it reads. */
static void make_anew(struct file *file, struct region *region, struct result *result) {
    result_clear(result);
    result->state = RESULT_PENDING;
    result->known = result->loaded = result->had = false;
    result->outcome[0] = '\0';
    count_open(file, region);
}

static void on_loaded(void *argument, const struct error *error) {
    struct loading *loading = argument;
    struct result *result = &loading->region->results[loading->plugin];
    loading->region->loading--;
    loading->file->jobs--;
    result->loaded = true;
    if (error)
        engine_fail(loading->engine, error);
    else if (!take_loaded(loading))
        make_anew(loading->file, loading->region, result);
    store_known_free(&loading->known);
    store_arrays_free(&loading->arrays);
    engine_wake(loading->engine);
    free(loading);
}

static void start_loading(struct file *file, struct region *region, size_t plugin) {
    struct loading *loading = calloc(1, sizeof *loading);
    if (loading) {
        *loading = (struct loading){
            .engine = file->engine,
            .file = file,
            .region = region,
            .plugin = plugin,
            .region_row = region->frames.region,
            .analysis = region->results[plugin].had_analysis,
            .start = (double)region->frames.start / file->rate,
        };
        if (writer_post(file->engine->writer, load, loading, on_loaded)) {
            region->loading++;
            file->jobs++; /* so that neither is freed */
            return;
        }
        free(loading);
    }
    engine_fail_memory(file->engine);
}

/* Whether all that the members read from earlier results is in memory; starts fetching what isn't. */
static bool inputs_are_here(struct file *file, struct region *region, const bool *members) {
    const struct registry *registry = file->engine->registry;
    bool here = true;
    for (size_t i = 0; i < registry->plugins_count; i++) {
        for (size_t n = 0; members[i] && n < registry->plugins[i].needs_count; n++) {
            size_t provider = 0;
            enum source_kind kind = find_source(file, region, i, &registry->plugins[i].needs[n], members, &provider);
            if (kind != SOURCE_INPUT || region->results[provider].loaded) continue;
            here = false;
            if (region->loading == 0) start_loading(file, region, provider);
        }
    }
    return here;
}

/* ---------------------------------------------------------------------------------------------------------------- start */

/* Settles what needs no run among the members; true when that was so for any, and the plan must be made again. */
static bool settle_members(struct file *file, struct region *region, const bool *members) {
    bool settled = false;
    for (size_t i = 0; i < file->engine->registry->plugins_count; i++) {
        if (!members[i] || region->done) continue;
        if (!make_identity(file, region, i, members)) {
            engine_fail_memory(file->engine);
            return false;
        }
        settled |= settle(file, region, i, members);
        if (settled) return true; /* others may read it now, or have lost it */
    }
    return settled;
}

/* Takes a worker (and a decoder to read with) and starts. False: none is free now. */
static bool start_job(struct file *file, struct region *region, size_t group, bool alone, const bool *members) {
    struct engine *engine = file->engine;
    struct seat *reader = file->kept ? NULL : pool_take(engine->decoders[file->by_ffmpeg], false);
    if (!reader && !file->kept) return false;
    struct seat *seat = pool_take(engine->groups[group].pool, alone || file->alone);
    if (!seat) {
        if (reader) pool_untake(reader);
        return false;
    }
    for (size_t i = 0; i < engine->registry->plugins_count; i++) {
        if (!members[i]) continue;
        free(region->results[i].inputs);
        region->results[i].inputs = describe_inputs(file, region, i, members);
        region->results[i].state = RESULT_RUNNING;
    }
    if (!job_start(file, region, group, alone, members, seat, reader)) engine_fail_memory(engine);
    return true;
}

/* Does what can be done for `group` on the region. False: the group has no worker free, so ask no further. */
static bool work_on(struct file *file, struct region *region, size_t group, bool *members) {
    bool alone = false;
    while (!region->done && !file->engine->failed && plan(file, region, group, members, &alone)) {
        if (settle_members(file, region, members)) continue;
        if (!inputs_are_here(file, region, members)) return true;
        if (!start_job(file, region, group, alone, members)) return false;
        if (!alone) continue;
        return true; /* the next one alone when this one is over */
    }
    return true;
}

static bool has_single_under_way(const struct engine *engine, const struct region *region, size_t group) {
    for (const struct job *job = engine->jobs; job; job = job->next)
        if (job->region == region && job->group == group && job->alone) return true;
    return false;
}

/* All regions of one file for one group, from the first that isn't done. */
static bool pump_file(struct file *file, size_t group, bool *members) {
    while (file->first_open < file->regions_count && file->regions[file->first_open].done) file->first_open++;
    for (size_t i = file->first_open; i < file->regions_count && !file->engine->failed; i++) {
        struct region *region = &file->regions[i];
        if (region->done) continue;
        if (!region->alone && !begin_region(file, region)) {
            engine_fail_memory(file->engine);
            return false;
        }
        if (region->open == 0 && region->jobs == 0) {
            analysis_over(file, region, SIZE_MAX);
            continue;
        }
        if (has_single_under_way(file->engine, region, group)) continue;
        if (!work_on(file, region, group, members)) return false;
    }
    return true;
}

void analysis_pump(struct engine *engine) {
    bool *members = calloc(engine->registry->plugins_count + 1, sizeof *members);
    if (!members) {
        engine_fail_memory(engine);
        return;
    }
    for (size_t group = 0; group < engine->registry->groups_count && !engine->failed && !engine->stopping; group++) {
        if (engine->registry->groups[group].plugins_count == 0) continue;
        for (struct file *file = engine->files; file; file = file->next)
            if (file->stage == STAGE_ANALYSING && !pump_file(file, group, members)) break;
    }
    free(members);
}

/* ----------------------------------------------------------------------------------------------------------------- over */

/* Whether somebody may still read the result of `index`. */
static bool is_read_later(const struct file *file, const struct region *region, size_t index) {
    const struct registry *registry = file->engine->registry;
    for (size_t i = 0; i < registry->plugins_count; i++) {
        if (region->results[i].state != RESULT_PENDING) continue;
        for (size_t n = 0; n < registry->plugins[i].needs_count; n++)
            for (size_t k = 0; k < registry->plugins[i].needs[n].providers_count; k++)
                if (registry->plugins[i].needs[n].providers[k] == index) return true;
    }
    return false;
}

void analysis_over(struct file *file, struct region *region, size_t plugin) {
    struct engine *engine = file->engine;
    if (plugin != SIZE_MAX) {
        struct result *result = &region->results[plugin];
        result->state = RESULT_OVER;
        result->loaded = true;
        if (result->passing) file->incomplete = true;
        if (result_is_failure(result->outcome)) {
            file->results_failed++;
            engine->progress.results_failed++;
        }
        if (!record_results(file, region, &plugin, 1)) engine_fail_memory(engine);
    }
    count_open(file, region);
    for (size_t i = 0; i < engine->registry->plugins_count; i++) {
        struct result *result = &region->results[i];
        if (!result->json || is_read_later(file, region, i) || region->jobs > 0) continue;
        result_clear(result);
        if (result->known) result->loaded = false; /* it can be fetched once more */
    }
    if (region->open > 0 || region->jobs > 0 || region->loading > 0 || region->done) return;
    for (size_t i = 0; i < engine->registry->plugins_count; i++) result_clear(&region->results[i]);
    free(region->results);
    free(region->alone);
    region->results = NULL;
    region->alone = NULL;
    file_region_done(file, region);
}
