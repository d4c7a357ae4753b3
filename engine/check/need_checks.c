/* What a plugin needs: whether anyone provides it, and how it does without what is optional. Providers run in a worker of
 * their own, so that they neither help nor hurt the plugin that is checked. */
#include "engine/check/subject.h"

#include "engine/base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_COMPANY 16

/* ------------------------------------------------------------------------------------------------------------ providers */

static bool provides(const cJSON *descriptor, const char *id, int64_t major) {
    const cJSON *one = NULL;
    cJSON_ArrayForEach(one, json_member(descriptor, "provides")) {
        if (strcmp(json_string(one, "id", ""), id) == 0 && json_integer(one, "major", 0) == major) return true;
    }
    return false;
}

static bool is_ready(const cJSON *descriptor) {
    return strcmp(json_string(descriptor, "outcome", ""), "ok") == 0;
}

/* Any plugin of the company's libraries that provides the interface, but the one that is checked. */
static const cJSON *find_provider(const struct subject *s, const char *id, int64_t major) {
    for (size_t i = 0; s->company.session && session_library(s->company.session, i); i++) {
        const cJSON *one = NULL;
        cJSON_ArrayForEach(one, json_member(session_library(s->company.session, i), "plugins")) {
            if (is_ready(one) && strcmp(json_string(one, "id", ""), s->plugin) != 0 && provides(one, id, major))
                return one;
        }
    }
    return NULL;
}

/* Takes in the providers of what `descriptor` needs, and of what those need. `depth` ends circles. */
static void gather(struct subject *s, const cJSON *descriptor, int depth) {
    const cJSON *need = NULL;
    cJSON_ArrayForEach(need, json_member(descriptor, "needs")) {
        const char *id = json_string(need, "id", "");
        const cJSON *provider = find_provider(s, id, json_integer(need, "major", 0));
        bool known = !provider;
        for (size_t i = 0; !known && i < s->company.plugins_count; i++) known = s->company.plugins[i] == provider;
        if (known || s->company.plugins_count >= MAX_COMPANY) continue;
        s->company.plugins[s->company.plugins_count++] = provider;
        if (depth < MAX_COMPANY) gather(s, provider, depth + 1);
    }
}

/* The settings' libraries: all others, and the subject's own, whose plugins may need each other. */
static cJSON *list_libraries(const struct subject *s) {
    cJSON *list = cJSON_CreateArray();
    bool good = list && subject_add_library(s, list, s->library, NULL);
    for (size_t i = 0; good && i < s->options->others_count; i++) {
        const struct check_library *other = &s->options->others[i];
        if (strcmp(other->path, s->library->path) != 0) good = subject_add_library(s, list, other, NULL);
    }
    if (good) return list;
    cJSON_Delete(list);
    return NULL;
}

static bool open_company(struct subject *s, struct error *error) {
    struct session_spec spec = {.libraries = s->company.libraries};
    session_close(s->company.session);
    s->company.session = session_open(&s->desk, &spec, error);
    return s->company.session != NULL;
}

bool company_find(struct subject *s, struct error *error) {
    const cJSON *needs = json_member(s->descriptor, "needs"), *need = NULL;
    if (!needs || !needs->child) return true;
    s->company.libraries = list_libraries(s);
    if (!s->company.libraries) return error_memory(error);
    if (!open_company(s, error)) return false;
    gather(s, s->descriptor, 0);
    cJSON_ArrayForEach(need, needs) {
        const char *id = json_string(need, "id", "");
        int64_t major = json_integer(need, "major", 0);
        const cJSON *provider = find_provider(s, id, major);
        bool required = json_bool(need, "required", true);
        if (provider)
            report_pass(s->report, CHECK_NEEDS_MET, s->plugin);
        else
            report_add(s->report, CHECK_NEEDS_MET, s->plugin, required ? CHECK_FAILED : CHECK_WARNED,
                       "nobody here provides %s/%lld%s", id, (long long)major, required ? "" : ", which is optional");
    }
    return true;
}

void company_clear(struct company *company) {
    for (size_t i = 0; i < company->prepared_count; i++) {
        for (size_t k = 0; k < company->prepared[i].count; k++) {
            free(company->prepared[i].inputs[k].interface);
            free(company->prepared[i].inputs[k].provider);
            answer_clear(&company->prepared[i].inputs[k].answer);
        }
        free(company->prepared[i].inputs);
    }
    free(company->prepared);
    session_close(company->session);
    cJSON_Delete(company->libraries);
    *company = (struct company){0};
}

/* --------------------------------------------------------------------------------------------------------------- inputs */

/* Turns the providers' answers into what the plugin needs; answers that nobody wants are cleared. */
static bool distribute(struct subject *s, struct answer *answers, struct prepared *prepared) {
    const cJSON *needs = json_member(s->descriptor, "needs"), *need = NULL;
    bool good = true;
    prepared->inputs = calloc((size_t)cJSON_GetArraySize(needs) + 1, sizeof *prepared->inputs);
    cJSON_ArrayForEach(need, needs) {
        const char *id = json_string(need, "id", "");
        int64_t major = json_integer(need, "major", 0);
        for (size_t i = 0; prepared->inputs && good && i < s->company.plugins_count; i++) {
            if (!provides(s->company.plugins[i], id, major) || !answers[i].outcome[0]) continue;
            struct session_input *input = &prepared->inputs[prepared->count++];
            *input = (struct session_input){.interface = strdup(id),
                                            .provider = strdup(json_string(s->company.plugins[i], "id", "")),
                                            .major = (int)major,
                                            .answer = answers[i]};
            answers[i] = (struct answer){0}; /* the input owns it now */
            good = input->interface && input->provider;
            break;
        }
    }
    for (size_t i = 0; i < s->company.plugins_count; i++) answer_clear(&answers[i]);
    return good && prepared->inputs;
}

/* Has the providers analyse the sound, and keeps what they say for as long as the plugin is checked. */
const struct prepared *company_inputs(struct subject *s, const struct sound *sound, struct error *error) {
    static const struct prepared nothing = {0};
    struct company *c = &s->company;
    bool known = false;
    for (int i = 0; i < KNOWN_SOUNDS; i++) known |= sound == &s->sounds[i];
    for (size_t i = 0; i < c->prepared_count; i++)
        if (known && c->prepared[i].sound == sound) return &c->prepared[i];
    if (c->plugins_count == 0) return &nothing;
    if (!session_is_ready(c->session)) return &nothing; /* the others' fault: the plugin is skipped */
    struct prepared *grown = realloc(c->prepared, (c->prepared_count + 1) * sizeof *grown);
    if (!grown) {
        error_memory(error);
        return NULL;
    }
    c->prepared = grown;
    struct prepared *prepared = &grown[c->prepared_count++];
    *prepared = (struct prepared){.sound = known ? sound : NULL};
    struct session_job job = {.sound = sound, .plugins_count = c->plugins_count};
    for (size_t i = 0; i < c->plugins_count; i++) job.plugins[i] = json_string(c->plugins[i], "id", "");
    struct answer answers[MAX_COMPANY] = {0};
    if (!session_run(c->session, &job, answers, error)) return NULL;
    if (distribute(s, answers, prepared)) return prepared;
    error_memory(error);
    return NULL;
}

/* --------------------------------------------------------------------------------------------------------------- checks */

/* Whether following needs inside the library leads back to where it began. */
static bool leads_back(const struct subject *s, const cJSON *descriptor, int depth) {
    const cJSON *need = NULL, *one = NULL;
    if (depth > MAX_COMPANY) return false;
    cJSON_ArrayForEach(need, json_member(descriptor, "needs")) {
        const char *id = json_string(need, "id", "");
        int64_t major = json_integer(need, "major", 0);
        if (provides(s->descriptor, id, major)) return true;
        cJSON_ArrayForEach(one, json_member(s->message, "plugins")) {
            if (one != descriptor && provides(one, id, major) && leads_back(s, one, depth + 1)) return true;
        }
    }
    return false;
}

/* Alone, without any provider. */
static bool check_absence(struct subject *s, const cJSON *needs, struct error *error) {
    const cJSON *need = NULL;
    bool required = false;
    cJSON_ArrayForEach(need, needs) required |= json_bool(need, "required", true);
    struct company company = s->company;
    s->company = (struct company){0};
    struct answer answer = {0};
    const struct sound *sound = subject_sound(s, BRIEF, error);
    bool good = sound && subject_analyse(s, NULL, sound, &answer, error);
    s->company = company;
    if (good) {
        bool fine = required ? strcmp(answer.outcome, "skipped") == 0 : answer_is_orderly(&answer);
        if (fine)
            report_add(s->report, CHECK_NEEDS_ABSENT, s->plugin, CHECK_PASSED, "%s", required ? "skipped" : "");
        else
            report_add(s->report, CHECK_NEEDS_ABSENT, s->plugin, CHECK_FAILED, "%s: %s", answer.outcome, answer.reason);
    }
    answer_clear(&answer);
    return good;
}

bool check_needs(struct subject *s, struct error *error) {
    const cJSON *needs = json_member(s->descriptor, "needs");
    if (!needs || !needs->child) return true;
    bool circle = leads_back(s, s->descriptor, 0);
    report_add(s->report, CHECK_NEEDS_CYCLE, s->plugin, circle ? CHECK_FAILED : CHECK_PASSED, "%s",
               circle ? "following its needs leads back to it" : "");
    return check_absence(s, needs, error);
}
