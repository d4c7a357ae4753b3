#include "engine/check/session_job.h"

#include "engine/base/json.h"
#include "engine/base/text.h"
#include "engine/ipc/memfd.h"
#include "engine/ipc/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED         "5eed5eed5eed5eed"
#define SHORT_FRAMES 9000 /* regions below that are handed over in one piece, others in three, none like another */

/* ------------------------------------------------------------------------------------------------------ what is asked */

static cJSON *describe_region(const struct session_job *job) {
    const struct sound *sound = job->sound;
    int64_t start = (int64_t)(job->start * sound->rate), end = start + sound->frames;
    const struct {
        const char *key;
        double value;
    } numbers[] = {
        {"index", start > 0},
        {"regions", 3},
        {"part", 0},
        {"parts", 1},
        {"rate", sound->rate},
        {"channels", sound->channels},
        {"start", (double)start},
        {"end", (double)end},
        {"sound_start", (double)start},
        {"sound_end", (double)end},
        {"lead", 0},
        {"tail", 0},
        {"file_frames", (double)end + 100.0 * sound->rate},
    };
    cJSON *region = cJSON_CreateObject();
    bool good = region != NULL;
    for (size_t i = 0; good && i < sizeof numbers / sizeof *numbers; i++)
        good = cJSON_AddNumberToObject(region, numbers[i].key, numbers[i].value) != NULL;
    good = good && cJSON_AddStringToObject(region, "seed", SEED);
    const cJSON *fact = NULL;
    cJSON_ArrayForEach(fact, job->facts) {
        cJSON_DeleteItemFromObjectCaseSensitive(region, fact->string);
        good = good && cJSON_AddItemToObject(region, fact->string, cJSON_Duplicate(fact, true));
    }
    if (good) return region;
    cJSON_Delete(region);
    return NULL;
}

/* Describes an array; its descriptor goes ahead of the message. */
static bool add_array(struct session *s, cJSON *list, const struct session_array *array) {
    cJSON *one = cJSON_Duplicate(array->facts, true);
    if (!one || !cJSON_AddItemToArray(list, one)) {
        cJSON_Delete(one);
        return false;
    }
    if (array->fd < 0) return true;
    struct descriptor_packet packet = {.kind = DESCRIPTOR_ARRAY, .job = (uint64_t)s->number, .serial = ++s->serial};
    (void)worker_send_descriptor(s->worker, &packet, array->fd);
    return cJSON_AddNumberToObject(one, "serial", (double)packet.serial) != NULL;
}

static bool add_input(struct session *s, cJSON *inputs, const struct session_input *input) {
    const struct answer *answer = &input->answer;
    cJSON *one = cJSON_CreateObject(), *arrays = NULL;
    bool good = one && cJSON_AddItemToArray(inputs, one) &&
                cJSON_AddStringToObject(one, "interface", input->interface) &&
                cJSON_AddNumberToObject(one, "major", input->major) &&
                cJSON_AddStringToObject(one, "provider", input->provider) &&
                cJSON_AddStringToObject(one, "outcome", answer->outcome) &&
                cJSON_AddStringToObject(one, "reason", answer->reason) &&
                (answer->json ? cJSON_AddItemToObject(one, "json", cJSON_Duplicate(answer->json, true))
                              : cJSON_AddNullToObject(one, "json") != NULL) &&
                (arrays = cJSON_AddArrayToObject(one, "arrays")) != NULL;
    for (size_t i = 0; good && i < answer->arrays_count; i++) good = add_array(s, arrays, &answer->arrays[i]);
    return good;
}

static bool send_analyse(struct session *s) {
    cJSON *message = message_new_job("analyse", s->number, s->number), *run = NULL, *inputs = NULL;
    cJSON *region = describe_region(s->job);
    bool good = message && region && cJSON_AddItemToObject(message, "region", region);
    if (!good) cJSON_Delete(region);
    good = good && (run = cJSON_AddArrayToObject(message, "run")) &&
           (inputs = cJSON_AddArrayToObject(message, "inputs"));
    for (size_t i = 0; good && i < s->job->plugins_count; i++)
        good = cJSON_AddItemToArray(run, cJSON_CreateString(s->job->plugins[i]));
    for (size_t i = 0; good && i < s->job->inputs_count; i++) good = add_input(s, inputs, &s->job->inputs[i]);
    if (good) (void)worker_send(s->worker, message);
    cJSON_Delete(message);
    return good;
}

static bool send_slice(struct session *s, int64_t from, int64_t to) {
    const struct sound *sound = s->job->sound;
    int64_t start = (int64_t)(s->job->start * sound->rate);
    struct descriptor_packet packet = {.kind = DESCRIPTOR_PCM,
                                       .job = (uint64_t)s->number,
                                       .serial = ++s->serial,
                                       .start = start,
                                       .frames = (uint64_t)sound->frames};
    cJSON *message = message_new_job("pcm", s->number, s->number);
    bool good = message && cJSON_AddNumberToObject(message, "serial", (double)packet.serial) &&
                cJSON_AddNumberToObject(message, "start", (double)(start + from)) &&
                cJSON_AddNumberToObject(message, "frames", (double)(to - from)) &&
                cJSON_AddBoolToObject(message, "last", to == sound->frames);
    s->consumed = false;
    if (good) (void)(worker_send_descriptor(s->worker, &packet, sound->fd) && worker_send(s->worker, message));
    cJSON_Delete(message);
    return good;
}

/* Where the piece ends that begins with frame `at`. */
static int64_t end_of_piece(const struct session_job *job, int64_t at, int64_t end) {
    uint64_t chance = sound_random((uint64_t)at + 1);
    if (job->ragged) return at + 1 + (int64_t)((chance >> 8) % (2u << chance % 13)); /* 1 to 8192, most of them short */
    if (end < SHORT_FRAMES || at >= end * 4 / 9) return end;
    return at < end / 9 ? end / 9 : end * 4 / 9;
}

static bool send_audio(struct session *s) {
    int64_t end = s->job->stop_after > 0 ? s->job->stop_after : s->job->sound->frames;
    bool good = true;
    for (int64_t at = 0, to; good && s->worker && at < end; at = to) {
        to = end_of_piece(s->job, at, end);
        if (to > end) to = end;
        good = send_slice(s, at, to);
        session_wait(s, &s->consumed);
    }
    if (!good || !s->worker || s->job->stop_after == 0) return good;
    cJSON *cancel = message_new_job("cancel", s->number, s->number);
    if (cancel) (void)worker_send(s->worker, cancel);
    cJSON_Delete(cancel);
    return cancel != NULL;
}

/* ----------------------------------------------------------------------------------------------------- what is answered */

/* The facts of an array, and its values out of the worker's memory. */
static bool take_array(struct session *s, struct answer *answer, const cJSON *one, struct hash *hash) {
    static const char *const kept[] = {"name", "dtype", "shape", "unit", "hop", "start"};
    int64_t offset = json_integer(one, "offset", -1), bytes = json_integer(one, "bytes", -1);
    struct session_array *list = realloc(answer->arrays, (answer->arrays_count + 1) * sizeof *list);
    if (list) answer->arrays = list;
    struct session_array array = {.facts = cJSON_CreateObject(), .fd = -1};
    bool good = list && array.facts && offset >= 0 && bytes >= 0;
    for (size_t i = 0; good && i < sizeof kept / sizeof *kept; i++) {
        const cJSON *fact = cJSON_GetObjectItemCaseSensitive(one, kept[i]);
        good = fact && cJSON_AddItemToObject(array.facts, kept[i], cJSON_Duplicate(fact, true));
    }
    char *facts = good ? json_print(array.facts) : NULL;
    void *data = facts ? worker_read_out(s->worker, (uint64_t)offset, (uint64_t)bytes) : NULL;
    good = data != NULL;
    if (good) {
        hash_add_text(hash, facts);
        hash_add(hash, data, (size_t)bytes);
    }
    if (good && bytes > 0) {
        array.fd = memfd_new("sonde-array", (uint64_t)bytes, NULL);
        good = array.fd >= 0 && memfd_write(array.fd, data, (size_t)bytes, 0, NULL) &&
               memfd_seal(array.fd, (uint64_t)bytes, NULL);
    }
    free(data);
    cJSON_free(facts);
    if (good) {
        list[answer->arrays_count++] = array;
        return true;
    }
    cJSON_Delete(array.facts);
    if (array.fd >= 0) close(array.fd);
    return false;
}

static bool take_result(struct session *s, const cJSON *message) {
    const char *plugin = json_string(message, "plugin", "");
    struct answer *answer = NULL;
    for (size_t i = 0; i < s->job->plugins_count; i++)
        if (strcmp(s->job->plugins[i], plugin) == 0) answer = &s->answers[i];
    if (!answer || answer->outcome[0]) return false;
    (void)snprintf(answer->outcome, sizeof answer->outcome, "%s", json_string(message, "outcome", "failed"));
    (void)snprintf(answer->reason, sizeof answer->reason, "%s", json_string(message, "reason", ""));
    text_cut(answer->reason, sizeof answer->reason - 1);
    answer->cpu_us = json_number(message, "cpu_us", 0);
    answer->peak_bytes = json_integer(message, "peak_bytes", 0);
    const cJSON *json = json_member(message, "json"), *one = NULL;
    if (json) answer->json = cJSON_Duplicate(json, true);
    if (answer->json) answer->text = json_print(answer->json);
    struct hash *hash = hash_new();
    bool good = hash && (!json || answer->text);
    if (good) hash_add_text(hash, answer->outcome);
    if (good) hash_add_text(hash, answer->text);
    const cJSON *arrays = json_member(message, "arrays");
    cJSON_ArrayForEach(one, arrays) good = good && take_array(s, answer, one, hash);
    if (good) hash_text(hash, answer->digest);
    hash_free(hash);
    return good;
}

bool session_take(struct session *s, const char *type, cJSON *message) {
    if (!s->job || json_integer(message, "job", -1) != s->number) return false;
    if (strcmp(type, "consumed") == 0) return s->consumed = true;
    if (strcmp(type, "result") == 0) return take_result(s, message);
    if (strcmp(type, "analysed") != 0) return false;
    const cJSON *measured = json_member(message, "measured");
    if (measured) s->answers[0].measured = cJSON_Duplicate(measured, true);
    return s->analysed = true;
}

/* The worker died: that is what became of all that had no answer yet. */
static void answer_death(struct session *s) {
    for (size_t i = 0; i < s->job->plugins_count; i++) {
        struct answer *answer = &s->answers[i];
        if (answer->outcome[0]) answer_clear(answer); /* nothing counts before the end */
        answer->died = true;
        (void)snprintf(answer->outcome, sizeof answer->outcome, "%s", s->blame.outcome);
        (void)snprintf(answer->reason, sizeof answer->reason, "%s", s->blame.reason);
        (void)snprintf(answer->phase, sizeof answer->phase, "%s", s->blame.phase);
    }
}

bool session_run(struct session *s, const struct session_job *job, struct answer *answers, struct error *error) {
    for (size_t i = 0; i < job->plugins_count; i++) answers[i] = (struct answer){0};
    if (!session_is_ready(s)) return error_set(error, "the worker %.300s", s->blame.reason);
    s->job = job;
    s->answers = answers;
    s->number = ++s->desk->jobs;
    s->analysed = false;
    double seconds = (double)job->sound->frames / job->sound->rate;
    worker_set_deadline(s->worker, s->desk->run_deadline + s->desk->run_deadline_a_second * seconds, 0,
                        "analyse the region");
    bool good = send_analyse(s) && send_audio(s);
    if (good) session_wait(s, &s->analysed);
    if (s->worker) {
        worker_clear_deadline(s->worker);
        worker_clear_out(s->worker);
        if (!good) worker_kill(s->worker, WORKER_KILL_UNWANTED, "out of memory");
    } else if (good) {
        answer_death(s);
    }
    s->job = NULL;
    return good ? true : error_memory(error);
}
