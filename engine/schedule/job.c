/* The conversation with an analyser about one region: analyse -> chunks -> results -> analysed.
 *
 * Nothing of a job counts before its end: when a member dies, what the others said in the same process is forgotten, and each
 * is run again alone. So a plugin that damages its neighbours' memory before it dies harms nobody's result. */
#include "engine/base/json.h"
#include "engine/ipc/memfd.h"
#include "engine/ipc/message.h"
#include "engine/schedule/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---------------------------------------------------------------------------------------------------- what to analyse */

static cJSON *describe_region(const struct job *job) {
    const struct file *file = job->file;
    const struct store_region *frames = &job->region->frames;
    uint32_t index = job->region->index;
    int64_t before = index > 0 ? file->regions[index - 1].frames.end : 0;
    int64_t after = index + 1 < file->regions_count ? file->regions[index + 1].frames.start : file->frames;
    const struct {
        const char *key;
        double value;
    } numbers[] = {
        {"index", index},
        {"regions", (double)file->regions_count},
        {"part", frames->part},
        {"parts", frames->parts},
        {"rate", file->rate},
        {"channels", file->channels},
        {"start", (double)frames->start},
        {"end", (double)frames->end},
        {"sound_start", (double)frames->sound_start},
        {"sound_end", (double)frames->sound_end},
        {"lead", (double)(frames->start - before)},
        {"tail", (double)(after - frames->end)},
        {"file_frames", (double)file->frames},
    };
    static const char *const facts[] = {"bpm", "key", "loops"};
    cJSON *region = cJSON_CreateObject();
    bool ok = region != NULL;
    for (size_t i = 0; ok && i < sizeof numbers / sizeof *numbers; i++)
        ok = cJSON_AddNumberToObject(region, numbers[i].key, numbers[i].value) != NULL;
    for (size_t i = 0; ok && i < sizeof facts / sizeof *facts; i++) {
        const cJSON *fact = json_member(file->facts, facts[i]);
        if (fact) ok = cJSON_AddItemToObject(region, facts[i], cJSON_Duplicate(fact, true));
    }
    char seed[17];
    memcpy(seed, job->region->identity, 16); /* a hash of the audio and of where the region lies */
    seed[16] = '\0';
    if (ok && cJSON_AddStringToObject(region, "seed", seed)) return region;
    cJSON_Delete(region);
    return NULL;
}

static cJSON *list_members(const struct job *job) {
    const struct registry *registry = job->engine->registry;
    cJSON *run = cJSON_CreateArray();
    bool ok = run != NULL;
    for (size_t i = 0; ok && i < registry->plugins_count; i++)
        if (job->members[i]) ok = cJSON_AddItemToArray(run, cJSON_CreateString(registry->plugins[i].id));
    if (ok) return run;
    cJSON_Delete(run);
    return NULL;
}

/* Seals the array's values once; every process that reads them maps the same memory. False: out of it. */
static bool seal_array(struct array *array) {
    uint64_t bytes = array->bytes > 0 ? array->bytes : 1;
    int fd = memfd_new("sonde-array", bytes, NULL);
    bool ok = fd >= 0 && memfd_write(fd, array->data, array->bytes, 0, NULL) && memfd_seal(fd, bytes, NULL);
    if (ok)
        array->sealed = fd + 1;
    else if (fd >= 0)
        close(fd);
    return ok;
}

/* Sends one array's descriptor and describes it. False: out of memory; a worker that doesn't take it is killed anyway. */
static bool send_array(struct job *job, struct array *array, uint64_t serial, cJSON *list) {
    cJSON *one = cJSON_CreateObject(), *shape = NULL;
    bool ok = one && cJSON_AddItemToArray(list, one) && cJSON_AddStringToObject(one, "name", array->name) &&
              cJSON_AddStringToObject(one, "dtype", array->dtype) &&
              cJSON_AddStringToObject(one, "unit", array->unit) && cJSON_AddNumberToObject(one, "hop", array->hop) &&
              cJSON_AddNumberToObject(one, "start", array->start) &&
              cJSON_AddNumberToObject(one, "serial", (double)serial) &&
              (shape = cJSON_AddArrayToObject(one, "shape")) != NULL;
    for (uint32_t i = 0; ok && i < array->dimensions; i++)
        ok = cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)array->shape[i]));
    if (!ok || (!array->sealed && !seal_array(array))) return false;
    struct descriptor_packet packet = {.kind = DESCRIPTOR_ARRAY, .job = (uint64_t)job->id, .serial = serial};
    (void)worker_send_descriptor(job->seat->worker, &packet, array->sealed - 1);
    return true;
}

/* One result that members read, as an entry of `inputs`. */
static bool add_input(struct job *job, cJSON *inputs, const struct registry_need *need, size_t provider,
                      uint64_t *serial) {
    struct result *result = &job->region->results[provider];
    cJSON *one = cJSON_CreateObject(), *arrays = NULL;
    bool ok = one && cJSON_AddItemToArray(inputs, one) && cJSON_AddStringToObject(one, "interface", need->interface) &&
              cJSON_AddNumberToObject(one, "major", need->major) &&
              cJSON_AddStringToObject(one, "provider", job->engine->registry->plugins[provider].id) &&
              cJSON_AddStringToObject(one, "outcome", result->outcome) &&
              cJSON_AddStringToObject(one, "reason", result->reason ? result->reason : "") &&
              (arrays = cJSON_AddArrayToObject(one, "arrays")) != NULL;
    if (ok && result->json) ok = cJSON_AddItemToObject(one, "json", cJSON_Duplicate(result->json, true));
    if (ok && !result->json) ok = cJSON_AddNullToObject(one, "json") != NULL;
    for (size_t i = 0; ok && i < result->arrays_count; i++) ok = send_array(job, &result->arrays[i], ++*serial, arrays);
    return ok;
}

static bool has_input(const cJSON *inputs, const struct registry_need *need) {
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, inputs) {
        if (strcmp(json_string(item, "interface", ""), need->interface) == 0 &&
            json_integer(item, "major", 0) == need->major)
            return true;
    }
    return false;
}

/* The results of earlier jobs that members read: of each interface the best that succeeded, else the first that didn't. */
static cJSON *collect_inputs(struct job *job) {
    const struct registry *registry = job->engine->registry;
    cJSON *inputs = cJSON_CreateArray();
    bool ok = inputs != NULL;
    uint64_t serial = 0;
    for (size_t i = 0; ok && i < registry->plugins_count; i++) {
        for (size_t n = 0; ok && job->members[i] && n < registry->plugins[i].needs_count; n++) {
            const struct registry_need *need = &registry->plugins[i].needs[n];
            if (has_input(inputs, need)) continue;
            size_t chosen = SIZE_MAX;
            for (size_t k = 0; k < need->providers_count; k++) {
                const struct result *result = &job->region->results[need->providers[k]];
                if (result->state != RESULT_OVER) continue;
                if (chosen == SIZE_MAX) chosen = need->providers[k];
                if (!result_is_usable(result)) continue;
                chosen = need->providers[k];
                break;
            }
            if (chosen != SIZE_MAX) ok = add_input(job, inputs, need, chosen, &serial);
        }
    }
    if (ok) return inputs;
    cJSON_Delete(inputs);
    return NULL;
}

static bool send_analyse(struct job *job) {
    cJSON *message = message_new_job("analyse", job->id, job->nonce);
    cJSON *region = describe_region(job), *run = list_members(job), *inputs = collect_inputs(job);
    bool ok = message && region && run && inputs;
    if (ok) {
        ok = cJSON_AddItemToObject(message, "region", region) && cJSON_AddItemToObject(message, "run", run) &&
             cJSON_AddItemToObject(message, "inputs", inputs);
        if (ok) (void)worker_send(job->seat->worker, message);
    } else {
        cJSON_Delete(region);
        cJSON_Delete(run);
        cJSON_Delete(inputs);
    }
    cJSON_Delete(message);
    return ok;
}

/* ------------------------------------------------------------------------------------------------------- begin and end */

static void set_deadline(struct job *job) {
    const struct engine_deadlines *deadlines = &job->engine->options.deadlines;
    double seconds = (double)(job->region->frames.end - job->region->frames.start) / job->file->rate;
    worker_set_deadline(job->seat->worker, deadlines->analyse + deadlines->analyse_per_second * seconds, 0,
                        "analyse the region");
}

static void append(struct job *job) {
    struct job **at = &job->engine->jobs;
    while (*at) at = &(*at)->next;
    *at = job;
    job->region->jobs++;
    job->file->jobs++;
}

/* Out of the list, and everything it holds given back, but for its workers. */
static void job_free(struct job *job) {
    struct engine *engine = job->engine;
    for (struct job **at = &engine->jobs; *at; at = &(*at)->next) {
        if (*at != job) continue;
        *at = job->next;
        break;
    }
    job->region->jobs--;
    job->file->jobs--;
    for (size_t i = 0; i < job->queued; i++) chunk_unref(job->queue[i]);
    for (size_t i = 0; i < WINDOW; i++) chunk_unref(job->sent[i]);
    chunk_unref(job->filling);
    for (size_t i = 0; i < engine->registry->plugins_count; i++) {
        if (job->trials[i]) breaker_give_up(&engine->plugins[i].breaker); /* it told nothing, or it told it before */
        result_clear(&job->results[i]);
    }
    free(job->results);
    free(job->members);
    free(job->trials);
    free(job);
    engine_wake(engine);
}

bool job_start(struct file *file, struct region *region, size_t group, bool alone, const bool *members,
               struct seat *seat, struct seat *reader) {
    struct engine *engine = file->engine;
    size_t n = engine->registry->plugins_count;
    struct job *job = calloc(1, sizeof *job);
    if (job) {
        job->members = calloc(n + 1, sizeof *job->members);
        job->results = calloc(n + 1, sizeof *job->results);
        job->trials = calloc(n + 1, sizeof *job->trials);
    }
    if (!job || !job->members || !job->results || !job->trials) {
        if (job) free(job->members);
        if (job) free(job->results);
        if (job) free(job->trials);
        free(job);
        return false;
    }
    memcpy(job->members, members, n * sizeof *members);
    for (size_t i = 0; i < n; i++) {
        job->members_count += members[i];
        job->trials[i] = members[i] && breaker_begin(&engine->plugins[i].breaker);
    }
    job->kind = JOB_ANALYSE;
    job->engine = engine;
    job->file = file;
    job->id = ++engine->job_numbers;
    job->nonce = ++engine->nonces;
    job->wanted_serial = -1;
    job->region = region;
    job->group = group;
    job->alone = alone;
    job->seat = seat;
    job->position = region->frames.start;
    seat->job = job;
    append(job);
    set_deadline(job);
    if (!send_analyse(job) || (reader && !reading_start(job, reader))) return false;
    job_send_chunks(job);
    return true;
}

/* Members that have not got their result go back to be planned. */
static void requeue_members(struct job *job) {
    for (size_t i = 0; i < job->engine->registry->plugins_count; i++)
        if (job->members[i]) job->region->results[i].state = RESULT_PENDING;
}

/* Ends the decoder's half, if it is still at it. */
static void stop_reading(struct job *job) {
    if (!job->reader) return;
    struct seat *seat = job->reader;
    job->reader = NULL;
    seat->job = NULL;
    worker_kill(seat->worker, WORKER_KILL_UNWANTED, "its job has ended");
}

/* The region's bookkeeping after the job is gone: everything may be over now. */
static void after(struct file *file, struct region *region) {
    if (!region->done) analysis_over(file, region, SIZE_MAX);
}

/* ---------------------------------------------------------------------------------------------------------------- audio */

static bool send_chunk(struct job *job, struct chunk *chunk) {
    const struct store_region *frames = &job->region->frames;
    int64_t end = chunk->start + (int64_t)chunk->frames;
    if (end > frames->end) end = frames->end;
    bool shorts = chunk->sample_bytes == sizeof(int16_t);
    struct descriptor_packet packet = {.kind = shorts ? DESCRIPTOR_SHORTS : DESCRIPTOR_PCM,
                                       .job = (uint64_t)job->id,
                                       .serial = chunk->serial,
                                       .start = chunk->start,
                                       .frames = chunk->frames};
    cJSON *message = message_new_job("pcm", job->id, job->nonce);
    bool ok = message && cJSON_AddNumberToObject(message, "serial", (double)chunk->serial) &&
              cJSON_AddNumberToObject(message, "start", (double)job->position) &&
              cJSON_AddNumberToObject(message, "frames", (double)(end - job->position)) &&
              cJSON_AddBoolToObject(message, "last", end == frames->end);
    if (ok) {
        (void)(worker_send_descriptor(job->seat->worker, &packet, chunk->fd) &&
               worker_send(job->seat->worker, message));
        job->position = end;
    }
    cJSON_Delete(message);
    return ok;
}

/* The next chunk to send, with a reference of the caller's own; NULL: none is there now. */
static struct chunk *next_chunk(struct job *job) {
    const struct file *file = job->file;
    if (job->position >= job->region->frames.end) return NULL;
    if (!file->kept) {
        if (job->queued == 0) return NULL;
        struct chunk *chunk = job->queue[0];
        memmove(job->queue, job->queue + 1, --job->queued * sizeof(struct chunk *));
        return chunk;
    }
    while (job->next_kept < file->chunks_count) {
        struct chunk *chunk = file->chunks[job->next_kept++];
        if (chunk->start + (int64_t)chunk->frames > job->position) return chunk_ref(chunk);
    }
    return NULL;
}

void job_send_chunks(struct job *job) {
    for (size_t i = 0; i < WINDOW && worker_is_usable(job->seat->worker); i++) {
        if (job->sent[i]) continue;
        struct chunk *chunk = next_chunk(job);
        if (!chunk) return;
        job->sent[i] = chunk;
        if (!send_chunk(job, chunk)) engine_fail_memory(job->engine);
    }
}

static void take_consumed(struct job *job, const cJSON *message) {
    int64_t serial = json_integer(message, "serial", -1);
    for (size_t i = 0; i < WINDOW; i++) {
        if (!job->sent[i] || (int64_t)job->sent[i]->serial != serial) continue;
        chunk_unref(job->sent[i]);
        job->sent[i] = NULL;
        job_send_chunks(job);
        engine_wake(job->engine); /* the budget has room */
        return;
    }
    worker_break_protocol(job->seat->worker, "it gives back a chunk that it doesn't have");
}

/* -------------------------------------------------------------------------------------------------------------- results */

/* A need that failed inside the job may be met by another provider: then whoever was skipped for it gets another try. */
static bool deserves_another_try(const struct job *job, size_t index) {
    const struct registry_plugin *plugin = &job->engine->registry->plugins[index];
    const struct result *result = &job->region->results[index];
    if (strcmp(job->results[index].outcome, "skipped") != 0 || result->next_provider) return false;
    for (size_t n = 0; n < plugin->needs_count; n++) {
        const struct registry_need *need = &plugin->needs[n];
        bool met = !need->required;
        for (size_t k = 0; k < need->providers_count && !met; k++) {
            const struct result *other = &job->region->results[need->providers[k]];
            met = other->state != RESULT_OVER || result_is_usable(other);
        }
        if (!met) return false;
    }
    return true;
}

/* Moves what the job found into the region, keeping what the region knows besides. */
static void adopt(struct job *job, size_t index) {
    struct result *from = &job->results[index], *to = &job->region->results[index];
    result_set(to, from->outcome, from->reason);
    to->json = from->json;
    to->arrays = from->arrays;
    to->arrays_count = from->arrays_count;
    to->cpu_us = from->cpu_us;
    to->wall_us = from->wall_us;
    to->peak_bytes = from->peak_bytes;
    to->state = RESULT_OVER;
    to->loaded = true;
    from->json = NULL;
    from->arrays = NULL;
    from->arrays_count = 0;
    if (!result_is_failure(to->outcome)) return;
    job->file->results_failed++;
    job->engine->progress.results_failed++;
}

static void finish(struct job *job) {
    struct engine *engine = job->engine;
    struct file *file = job->file;
    struct region *region = job->region;
    size_t n = engine->registry->plugins_count, count = 0;
    size_t *over = calloc(n + 1, sizeof *over);
    if (!over) {
        engine_fail_memory(engine);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (!job->members[i]) continue;
        circuit_survived(engine, i, file);
        if (deserves_another_try(job, i)) {
            region->results[i].next_provider = true;
            region->results[i].state = RESULT_PENDING;
            continue;
        }
        adopt(job, i);
        over[count++] = i;
    }
    struct seat *seat = job->seat;
    if (count > 0 && !record_results(file, region, over, count)) engine_fail_memory(engine);
    free(over);
    pool_release(seat, job->alone || file->alone);
    job_free(job);
    after(file, region);
}

static void take_analysed(struct job *job) {
    bool complete = job->position >= job->region->frames.end;
    for (size_t i = 0; i < job->engine->registry->plugins_count && complete; i++)
        complete = !job->members[i] || job->results[i].state == RESULT_OVER;
    if (!complete) {
        worker_break_protocol(job->seat->worker, "it says that it is done before it is");
        return;
    }
    worker_clear_deadline(job->seat->worker);
    job->analysed = true;
    job_end_when_done(job);
}

void job_end_when_done(struct job *job) {
    if (job->analysed && !job->reader) finish(job); /* the decoder says once more that it has read all */
}

void job_message(struct job *job, const char *type, cJSON *message) {
    struct error error;
    if (strcmp(type, "consumed") == 0) {
        take_consumed(job, message);
    } else if (strcmp(type, "result") == 0) {
        if (!result_check(job->engine, job, message, &error)) worker_break_protocol(job->seat->worker, error.text);
    } else if (strcmp(type, "analysed") == 0) {
        take_analysed(job);
    } else {
        worker_break_protocol(job->seat->worker, "an unknown message");
    }
}

/* ---------------------------------------------------------------------------------------------------------------- death */

static size_t only_member(const struct job *job) {
    size_t only = SIZE_MAX;
    for (size_t i = 0; i < job->engine->registry->plugins_count; i++)
        if (job->members[i]) only = i;
    return only;
}

/* It died alone in a fresh worker: no doubt is left whose fault it was. */
static void strike(struct job *job, const struct worker_death *death, const struct blame *blame) {
    struct engine *engine = job->engine;
    struct file *file = job->file;
    struct region *region = job->region;
    size_t index = only_member(job);
    struct result *result = &region->results[index];
    const char *outcome = blame->from_outside ? "crashed" : blame->outcome;
    bool counts = blame->counts || blame->from_outside;
    result_set(result, outcome, blame->reason);
    record_incident(engine, death, blame, engine->registry->plugins[index].id, file, region, result->identity, counts);
    circuit_died(engine, index, file);
    /* Once is no proof: the next run gives it a second try, and two strikes quarantine it. */
    int64_t before = result->had && strcmp(result->had_identity, result->identity) == 0 ? result->strikes : 0;
    result->passing = counts && before + 1 < STRIKES_MAX;
    result->state = RESULT_OVER;
    job_free(job);
    analysis_over(file, region, index);
}

void job_died(struct job *job, const struct worker_death *death, const struct blame *blame) {
    struct engine *engine = job->engine;
    struct file *file = job->file;
    struct region *region = job->region;
    bool fresh = job->seat->jobs_done == 0;
    stop_reading(job); /* also when all results have come: they count at the end, or not at all */
    job->seat = NULL;
    if (engine->stopping || engine->failed || blame->asked) {
        requeue_members(job);
        job_free(job);
        after(file, region);
        return;
    }
    if (blame->starved) {
        requeue_members(job);
        job_free(job);
        file_starved(file, blame->reason);
        return;
    }
    bool outside = blame->from_outside && ++region->outside_kills <= OUTSIDE_KILLS_MAX;
    if (!outside && job->members_count == 1 && (job->alone || fresh)) {
        strike(job, death, blame);
        return;
    }
    /* Killed from outside: the same again. Otherwise each member by itself, and whoever dies then has done it; when none does,
     * this incident stays without a culprit. */
    if (!outside) region->alone[job->group] = true;
    struct blame told = *blame;
    record_incident(engine, death, &told, NULL, file, region, NULL, false);
    requeue_members(job);
    job_free(job);
    after(file, region);
}

void job_fail_reading(struct job *job, const char *reason) {
    struct engine *engine = job->engine;
    struct file *file = job->file;
    struct region *region = job->region;
    stop_reading(job);
    worker_kill(job->seat->worker, WORKER_KILL_UNWANTED, "its audio does not come");
    job->seat->job = NULL;
    if (!reason || !region->read_failed) { /* once more, unless it says the same again */
        region->read_failed = reason != NULL;
        requeue_members(job);
        job_free(job);
        after(file, region);
        return;
    }
    size_t *members = calloc(engine->registry->plugins_count + 1, sizeof *members);
    size_t count = 0;
    for (size_t i = 0; members && i < engine->registry->plugins_count; i++) {
        if (!job->members[i]) continue;
        result_set(&region->results[i], "failed", reason);
        region->results[i].passing = true;
        members[count++] = i;
    }
    job_free(job);
    for (size_t i = 0; i < count; i++)
        if (!region->done) analysis_over(file, region, members[i]);
    if (!members) engine_fail_memory(engine);
    free(members);
}

void job_drop(struct job *job, const char *why) {
    struct file *file = job->file;
    struct region *region = job->region;
    stop_reading(job);
    if (job->seat) {
        job->seat->job = NULL;
        worker_kill(job->seat->worker, WORKER_KILL_UNWANTED, why);
    }
    requeue_members(job);
    job_free(job);
    after(file, region);
}
