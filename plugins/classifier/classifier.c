/* The plugin `classifier`: labels for every segment of content_timeline/1 and for the region, from the embedding of
 * features/1. Segments come from the timeline and from nowhere else. */
#include "classifier_schema.h"
#include "features/embedding.h"
#include "ranking.h"
#include "sonde/frame.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESOURCE          "classifier.weights"
#define MISSING           "the file is missing or can't be read"
#define MOST_SEGMENTS     4000
#define MOST_CLASSES      100
#define SILENCE           "near-silence"
#define MIXTURE           " over " /* in what the timeline calls two sounds at once */
#define MIXTURE_CLEARANCE 1.5f

struct classifier {
    struct ranking ranking;
    char refusal[300];  /* why the weights can't be used; "" if they can */
    struct ranking own; /* without classes: the user has none */
    char own_refusal[300];
};

/* Words, each once; those beyond MOST_CLASSES are left out. */
struct words {
    const char *word[MOST_CLASSES];
    uint32_t count;
};

static void add_word(struct words *words, const char *word) {
    for (uint32_t i = 0; i < words->count; i++)
        if (strcmp(words->word[i], word) == 0) return;
    if (words->count < MOST_CLASSES) words->word[words->count++] = word;
}

static void write_words(const char *key, const struct words *words, const sonde_writer_t *out) {
    out->begin_array(out, key);
    for (uint32_t i = 0; i < words->count; i++) out->string(out, NULL, words->word[i]);
    out->end_array(out);
}

/* What the segments of a region add up to by one vocabulary, weighted by their duration; a familiarity also by how probable
 * the class is there. */
struct sum {
    double probabilities[RANKING_MOST], familiarity[RANKING_MOST];
};

struct sums {
    struct sum stock, own;
    double weight;
    struct words classes, groups; /* of the segments' best labels */
};

/* One segment of the timeline, as it was written. */
struct span {
    double start, end, confidence;
    float scores[RANKING_KINDS];
    char content[48];
};

/* The score of each kind, 0 to 1; where there is none nothing speaks against the kind. */
static void read_scores(const cJSON *item, float *scores) {
    static const char *const kinds[RANKING_KINDS] = {"speech", "music", "environment", "noise"};
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(item, "scores");
    for (uint32_t k = 0; k < RANKING_KINDS; k++) {
        const cJSON *score = cJSON_GetObjectItemCaseSensitive(object, kinds[k]);
        scores[k] = cJSON_IsNumber(score) ? (float)fmin(fmax(score->valuedouble, 0), 1) : 1;
    }
}

static int read_span(const cJSON *item, struct span *span) {
    const cJSON *start = cJSON_GetObjectItemCaseSensitive(item, "start");
    const cJSON *end = cJSON_GetObjectItemCaseSensitive(item, "end");
    const cJSON *confidence = cJSON_GetObjectItemCaseSensitive(item, "confidence");
    const char *label = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "label"));
    if (!cJSON_IsNumber(start) || !cJSON_IsNumber(end) || !cJSON_IsNumber(confidence) || label == NULL) return -1;
    *span = (struct span){
        .start = start->valuedouble, .end = end->valuedouble, .confidence = fmin(fmax(confidence->valuedouble, 0), 1)};
    if (!(span->start >= 0) || !(span->end >= span->start) || !(span->end < 1e6) ||
        strlen(label) >= sizeof span->content)
        return -1;
    strcpy(span->content, label);
    read_scores(item, span->scores);
    return 0;
}

/* The segments of content_timeline/1, in *spans (caller frees). Their number, or a negative return of the ABI, with a
 * sentence that says what is wrong with the timeline. */
static int64_t read_spans(const sonde_inputs_t *inputs, struct span **spans, const sonde_writer_t *out) {
    uint64_t length = 0;
    const char *json = inputs->json(inputs, "content_timeline", &length);
    cJSON *root = json ? cJSON_ParseWithLength(json, length) : NULL;
    const cJSON *segments = cJSON_GetObjectItemCaseSensitive(root, "segments");
    const int count = cJSON_GetArraySize(segments);
    int64_t n = -SONDE_FAILED;
    if (json == NULL)
        out->fail(out, "content_timeline/1 is missing");
    else if (!cJSON_IsArray(segments))
        out->fail(out, "content_timeline/1 has no list of segments");
    else if (count == 0 || count > MOST_SEGMENTS)
        out->fail(out, count == 0 ? "content_timeline/1 is empty" : "content_timeline/1 has more than 4000 segments");
    else if ((*spans = calloc((size_t)count, sizeof **spans)) == NULL)
        n = -SONDE_NO_MEMORY;
    else {
        const cJSON *item;
        n = 0;
        cJSON_ArrayForEach(item, segments) {
            if (read_span(item, &(*spans)[n]) != 0) {
                out->fail(out, "content_timeline/1 has a segment without start, end, label and confidence");
                n = -SONDE_FAILED;
                break;
            }
            n++;
        }
    }
    cJSON_Delete(root);
    return n;
}

/* The embeddings whose centres lie within the span; the nearest one if there is none. */
static void find_steps(const struct span *span, const struct embedding *embedding, uint32_t *first, uint32_t *end) {
    const double last = embedding->count - 1.0;
    const double from = ceil(span->start / embedding->hop - 1e-6), to = ceil(span->end / embedding->hop - 1e-6);
    *first = (uint32_t)fmin(from, last);
    *end = to > from ? (uint32_t)fmin(to, last + 1) : 0;
    if (*end > *first) return;
    *first = (uint32_t)fmin(floor((span->start + span->end) / 2 / embedding->hop + 0.5), last);
    *end = *first + 1;
}

static void write_labels(const char *key, const struct ranked *best, uint32_t count, const sonde_writer_t *out) {
    out->begin_array(out, key);
    for (uint32_t i = 0; i < count; i++) {
        out->begin_object(out, NULL);
        out->string(out, "label", best[i].label);
        out->string(out, "group", best[i].group);
        out->number(out, "score", (double)fminf(best[i].score, 1));
        out->end_object(out);
    }
    out->end_array(out);
}

/* A mixture is like none of its parts, so how familiar it is isn't asked: its best label has to be MIXTURE_CLEARANCE times as probable
 * as the second. */
static void judge_mixture(const struct ranking *ranking, float *familiarity) {
    const float even = ranking->familiar_mean ? logf(fmaxf(ranking->calibration[2], 1e-6f) / MIXTURE_CLEARANCE) : 0;
    for (uint32_t c = 0; c < ranking->classes; c++) familiarity[c] = even;
}

/* The best labels of one segment by one vocabulary; its probabilities join the sums. */
static uint32_t rank_segment(const struct ranking *ranking, const struct span *span, const struct embedding *embedding,
                             struct sum *sum, struct ranked *best) {
    float probabilities[RANKING_MOST], familiarity[RANKING_MOST];
    uint32_t first, end;
    find_steps(span, embedding, &first, &end);
    ranking_measure(ranking, embedding, first, end, span->scores, probabilities, familiarity);
    if (strstr(span->content, MIXTURE) != NULL) judge_mixture(ranking, familiarity);
    for (uint32_t c = 0; c < ranking->classes; c++) /* the timeline says so, too: it may be a strange one */
        if (strcmp(ranking->label[c], span->content) == 0) familiarity[c] = fmaxf(familiarity[c], 0);
    const double weight = fmax(span->end - span->start, 1e-3);
    for (uint32_t c = 0; c < ranking->classes; c++) {
        sum->probabilities[c] += weight * (double)probabilities[c];
        sum->familiarity[c] += weight * (double)probabilities[c] * (double)familiarity[c];
    }
    return ranking_sort(ranking, probabilities, familiarity, best);
}

/* Writes one segment and adds what it says to the region's. */
static void write_segment(const struct classifier *classifier, const struct span *span,
                          const struct embedding *embedding, struct sums *sums, const sonde_writer_t *out) {
    const int silent = strcmp(span->content, SILENCE) == 0, owned = classifier->own.classes > 0 && !silent;
    struct ranked best[RANKING_TOP] = {{SILENCE, "silence", (float)span->confidence}}, own[RANKING_TOP];
    const uint32_t count = silent ? 1 : rank_segment(&classifier->ranking, span, embedding, &sums->stock, best);
    const uint32_t own_count = owned ? rank_segment(&classifier->own, span, embedding, &sums->own, own) : 0;
    if (!silent) sums->weight += fmax(span->end - span->start, 1e-3);
    out->begin_object(out, NULL);
    out->number(out, "start", span->start);
    out->number(out, "end", span->end);
    out->string(out, "content", span->content);
    out->string(out, "label", best[0].label);
    out->string(out, "group", best[0].group);
    out->number(out, "confidence", (double)fminf(best[0].score, 1));
    write_labels("labels", best, count < 3 ? count : 3, out);
    if (owned) write_labels("own", own, own_count < 3 ? own_count : 3, out);
    out->end_object(out);
    add_word(&sums->classes, best[0].label);
    if (!silent && strcmp(best[0].group, RANKING_UNKNOWN) != 0) add_word(&sums->groups, best[0].group);
}

/* The region by one vocabulary. */
static uint32_t rank_region(const struct ranking *ranking, const struct sum *sum, double weight, struct ranked *best) {
    float probabilities[RANKING_MOST], familiarity[RANKING_MOST];
    for (uint32_t c = 0; c < ranking->classes; c++) {
        probabilities[c] = (float)(sum->probabilities[c] / weight);
        familiarity[c] = (float)(sum->familiarity[c] / fmax(sum->probabilities[c], 1e-30));
    }
    return ranking_sort(ranking, probabilities, familiarity, best);
}

static void write_region(const struct classifier *classifier, const struct sums *sums, const sonde_writer_t *out) {
    struct ranked best[RANKING_TOP] = {{SILENCE, "silence", 1}};
    const int silent = !(sums->weight > 0);
    const uint32_t count = silent ? 1 : rank_region(&classifier->ranking, &sums->stock, sums->weight, best);
    out->string(out, "label", best[0].label);
    out->number(out, "label_confidence", (double)fminf(best[0].score, 1));
    out->string(out, "group", best[0].group);
    write_labels("labels", best, count, out);
    if (classifier->own.classes > 0 && !silent)
        write_labels("own", best, rank_region(&classifier->own, &sums->own, sums->weight, best), out);
    if (classifier->own_refusal[0]) out->string(out, "own_reason", classifier->own_refusal);
}

static void write_result(const struct classifier *classifier, const struct span *spans, uint32_t n,
                         const struct embedding *embedding, const sonde_writer_t *out) {
    struct sums sums = {.weight = 0};
    out->begin_array(out, "segments");
    for (uint32_t i = 0; i < n; i++) write_segment(classifier, &spans[i], embedding, &sums, out);
    out->end_array(out);
    write_words("classes", &sums.classes, out);
    write_words("groups", &sums.groups, out);
    write_region(classifier, &sums, out);
    char vocabulary[64];
    const struct weights_header *header = classifier->ranking.weights.header;
    snprintf(vocabulary, sizeof vocabulary, "sonde-labels/%u %016llx", header->version,
             (unsigned long long)header->hash);
    out->string(out, "vocabulary", vocabulary);
}

static int32_t on_finish(void *state, const sonde_inputs_t *inputs, const sonde_writer_t *out) {
    const struct classifier *classifier = state;
    struct embedding embedding;
    struct span *spans = NULL;
    char error[250];
    if (classifier->refusal[0]) {
        out->fail(out, classifier->refusal);
        return SONDE_FAILED;
    }
    const int64_t n = read_spans(inputs, &spans, out);
    int32_t result = n < 0 ? (int32_t)-n : SONDE_FAILED;
    if (n > 0 &&
        embedding_read(&embedding, inputs, classifier->ranking.weights.header->parent, error, sizeof error) != 0)
        out->fail(out, error);
    else if (n > 0 && embedding.count == 0)
        out->fail(out, "features/1 has no embeddings for this region");
    else if (n > 0) {
        write_result(classifier, spans, (uint32_t)n, &embedding, out);
        result = out->status(out) == SONDE_OK ? SONDE_OK : SONDE_FAILED;
    }
    free(spans);
    return result;
}

static void on_close(void *state) {
    struct classifier *classifier = state;
    ranking_close(&classifier->ranking);
    ranking_close(&classifier->own);
}

static const sonde_interface_t provides[] = {{sizeof(sonde_interface_t), 1, "classifier"}};
static const sonde_need_t needs[] = {
    {sizeof(sonde_need_t), 1, "content_timeline", SONDE_NEED_REQUIRED, SONDE_NEED_AT_FINISH},
    {sizeof(sonde_need_t), 1, "features", SONDE_NEED_REQUIRED, SONDE_NEED_AT_FINISH},
};
static const sonde_param_t params[] = {
    {.struct_size = sizeof(sonde_param_t),
     .kind = SONDE_PARAM_FILE,
     .id = "own",
     .name = "Own labels",
     .description = "A resource with a vocabulary of your own (tools/train makes it), used beside the stock one.",
     .unit = "",
     .default_text = ""},
};
static const sonde_descriptor_t descriptor = {
    .struct_size = sizeof descriptor,
    .flags = SONDE_FLAG_DETERMINISTIC,
    .id = "classifier",
    .name = "Classifier",
    .vendor = "sonde",
    .version = "0.7.0",
    .licence = "MIT",
    .description = "Ranked labels with calibrated scores for every segment of the content timeline and for the region.",
    .schema = classifier_schema,
    .provides = provides,
    .provides_count = 1,
    .needs = needs,
    .needs_count = 2,
    .params = params,
    .params_count = 1,
};

/* Without good weights the instance still comes to be: so every result says why there is none. */
static void open_weights(struct classifier *classifier, const sonde_host_t *host, const char *own) {
    const void *data;
    uint64_t size;
    char error[250] = MISSING;
    if (host->resource_open(host, RESOURCE, &data, &size) != SONDE_OK ||
        ranking_open(&classifier->ranking, data, size, error, sizeof error) != 0) {
        snprintf(classifier->refusal, sizeof classifier->refusal, RESOURCE ": %s", error);
        host->log(host, SONDE_LOG_ERROR, classifier->refusal);
        return;
    }
    if (own == NULL || own[0] == 0) return;
    snprintf(error, sizeof error, MISSING);
    if (host->resource_open(host, own, &data, &size) == SONDE_OK &&
        ranking_open(&classifier->own, data, size, error, sizeof error) == 0) {
        if (classifier->own.weights.header->parent == classifier->ranking.weights.header->parent) return;
        snprintf(error, sizeof error, "made for another network; train it again");
        ranking_close(&classifier->own);
    }
    classifier->own.classes = 0;
    snprintf(classifier->own_refusal, sizeof classifier->own_refusal, "%.40s: %s", own, error);
    host->log(host, SONDE_LOG_ERROR, classifier->own_refusal);
}

static int32_t on_open(void *state, const sonde_host_t *host, const sonde_param_value_t *values) {
    open_weights(state, host, values[0].text);
    return SONDE_OK;
}

static const sonde_frame_t plugins[] = {{.descriptor = &descriptor,
                                         .size = sizeof(struct classifier),
                                         .open = on_open,
                                         .finish = on_finish,
                                         .close = on_close}};
SONDE_LIBRARY(plugins)
