#include "ranking.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIND_LEAST  0.05f /* no kind is less probable than this, whatever the timeline says */
#define GROUP_SHARE 0.7f /* right in .96 of cases, and in .81 of sounds of classes that were never trained (MODEL.md) */

/* Whether two classes carry one label, of one group. */
static int same_label(const struct ranking *ranking, uint32_t a, uint32_t b) {
    return strcmp(ranking->label[a], ranking->label[b]) == 0 && strcmp(ranking->group[a], ranking->group[b]) == 0;
}

static void find_first(struct ranking *ranking) {
    for (uint32_t c = 0; c < ranking->classes; c++) {
        ranking->first[c] = 0;
        while (!same_label(ranking, ranking->first[c], c)) ranking->first[c]++;
    }
}

/* Splits the lines "group/label" in place. */
static int read_names(struct ranking *ranking, char *error, size_t n) {
    uint64_t length = 0;
    const char *text = weights_text(&ranking->weights, "labels", &length, error, n);
    if (text == NULL) return -1;
    ranking->names = malloc(length + 1);
    if (ranking->names == NULL) {
        snprintf(error, n, "no memory for the vocabulary");
        return -1;
    }
    memcpy(ranking->names, text, length);
    ranking->names[length] = 0;
    uint32_t found = 0;
    char *rest = NULL;
    for (char *line = strtok_r(ranking->names, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *slash = strchr(line, '/');
        if (slash == NULL || slash == line || slash[1] == 0 || found == ranking->classes) {
            found = UINT32_MAX;
            break;
        }
        *slash = 0;
        ranking->group[found] = line;
        ranking->label[found++] = slash + 1;
    }
    if (found == ranking->classes) {
        find_first(ranking);
        return 0;
    }
    snprintf(error, n,
             "the vocabulary of the weights file does not have one line \"group/label\" for each of its %u classes",
             ranking->classes);
    ranking_close(ranking);
    return -1;
}

/* What the branch `scene` says, if the vocabulary asks it. */
static int read_scene(struct ranking *ranking, char *error, size_t n) {
    const struct weights *w = &ranking->weights;
    if (weights_rows(w, "scene.weight") == 0) return 0;
    ranking->scene = weights_floats(w, "scene.weight", 2 * EMBEDDING_DIMENSIONS, ranking->classes, 1, error, n);
    return ranking->scene ? 0 : -1;
}

/* The timbre's part, if the vocabulary has one. */
static int read_timbre(struct ranking *ranking, char *error, size_t n) {
    const struct weights *w = &ranking->weights;
    const uint32_t hidden = weights_rows(w, "timbre.hidden_bias");
    if (hidden == 0) return 0;
    if (hidden > RANKING_WIDEST) {
        snprintf(error, n, "the weights file has %u hidden units; %u are possible", hidden, RANKING_WIDEST);
        return -1;
    }
    ranking->hidden = hidden;
    if ((ranking->timbre_mean = weights_floats(w, "timbre.mean", RANKING_TIMBRE, 1, 1, error, n)) == NULL ||
        (ranking->timbre_scale = weights_floats(w, "timbre.scale", RANKING_TIMBRE, 1, 1, error, n)) == NULL ||
        (ranking->hidden_weight = weights_floats(w, "timbre.hidden", RANKING_TIMBRE, hidden, 1, error, n)) == NULL ||
        (ranking->hidden_bias = weights_floats(w, "timbre.hidden_bias", hidden, 1, 1, error, n)) == NULL ||
        (ranking->timbre_weight = weights_floats(w, "timbre.weight", hidden, ranking->classes, 1, error, n)) == NULL)
        return -1;
    return 0;
}

/* What familiarity is measured by, if the vocabulary asks. */
static int read_familiar(struct ranking *ranking, char *error, size_t n) {
    const struct weights *w = &ranking->weights;
    const uint32_t d = RANKING_FAMILIAR;
    const float *weight;
    if (weights_rows(w, "familiar.weight") == 0) return 0;
    if ((weight = weights_floats(w, "familiar.weight", 1, 1, 1, error, n)) == NULL ||
        (ranking->familiar_mean = weights_floats(w, "familiar.mean", d, 1, 1, error, n)) == NULL ||
        (ranking->familiar_scale = weights_floats(w, "familiar.scale", d, 1, 1, error, n)) == NULL ||
        (ranking->familiar_far = weights_floats(w, "familiar.far", d, d, 1, error, n)) == NULL ||
        (ranking->familiar_near = weights_floats(w, "familiar.near", d, d, 1, error, n)) == NULL ||
        (ranking->familiar_centres = weights_floats(w, "familiar.centres", ranking->classes, d, 1, error, n)) == NULL)
        return -1;
    ranking->familiar_weight = weight[0];
    return 0;
}

/* Which kinds of the timeline a class can be, if the vocabulary knows. */
static int read_kinds(struct ranking *ranking, char *error, size_t n) {
    const struct weights *w = &ranking->weights;
    if (weights_rows(w, "classes.kinds") == 0) return 0;
    ranking->kinds = weights_floats(w, "classes.kinds", ranking->classes, RANKING_KINDS, 1, error, n);
    return ranking->kinds ? 0 : -1;
}

int ranking_open(struct ranking *ranking, const void *data, uint64_t size, char *error, size_t n) {
    memset(ranking, 0, sizeof *ranking);
    struct weights *w = &ranking->weights;
    if (weights_open(w, data, size, "classifier", RANKING_ARCHITECTURE, error, n) != 0) return -1;
    const uint32_t classes = weights_rows(w, "classes.bias");
    if (classes == 0 || classes > RANKING_MOST) {
        snprintf(error, n, "the weights file has %u classes; 1 to %u are possible", classes, RANKING_MOST);
        return -1;
    }
    ranking->classes = classes;
    if ((ranking->weight = weights_floats(w, "classes.weight", 2 * EMBEDDING_DIMENSIONS, classes, 1, error, n)) ==
            NULL ||
        (ranking->bias = weights_floats(w, "classes.bias", classes, 1, 1, error, n)) == NULL ||
        (ranking->shipped = weights_floats(w, "classes.shipped", classes, 1, 1, error, n)) == NULL ||
        (ranking->calibration = weights_floats(w, "calibration", 3, 1, 1, error, n)) == NULL)
        return -1;
    if (!(ranking->calibration[0] > 0)) {
        snprintf(error, n, "the weights file has a temperature that is not positive");
        return -1;
    }
    if (read_scene(ranking, error, n) != 0 || read_timbre(ranking, error, n) != 0 ||
        read_familiar(ranking, error, n) != 0 || read_kinds(ranking, error, n) != 0)
        return -1;
    return read_names(ranking, error, n);
}

void ranking_close(struct ranking *ranking) {
    free(ranking->names);
    ranking->names = NULL;
}

/* Steps at or below this level are left out: none if nothing sounds. */
static float level_limit(const float *level, uint32_t first, uint32_t end) {
    float loudest = -200;
    for (uint32_t t = first; t < end; t++) loudest = fmaxf(loudest, level[t]);
    return loudest > -85 ? fmaxf(loudest - 40, -85) : -300;
}

enum branch { SOUND, SCENE };

/* Mean and maximum of a branch's embeddings at the steps that sound. */
struct pooled {
    float mean[EMBEDDING_DIMENSIONS], most[EMBEDDING_DIMENSIONS];
};

static void pool_branch(const struct embedding *embedding, enum branch branch, uint32_t first, uint32_t end,
                        float limit, struct pooled *pooled) {
    uint32_t used = 0;
    *pooled = (struct pooled){0};
    for (uint32_t t = first; t < end; t++) {
        if (embedding->level[t] <= limit) continue;
        for (uint32_t i = 0; i < EMBEDDING_DIMENSIONS; i++) {
            const size_t at = (size_t)t * EMBEDDING_DIMENSIONS + i;
            const float value = branch == SOUND ? embedding->values[at] : (float)embedding->scene[at] / EMBEDDING_STEPS;
            pooled->mean[i] += value;
            pooled->most[i] = fmaxf(pooled->most[i], value); /* embeddings are not negative */
        }
        used++;
    }
    for (uint32_t i = 0; i < EMBEDDING_DIMENSIONS && used > 0; i++) pooled->mean[i] /= (float)used;
}

/* `weight` is [2 * EMBEDDING_DIMENSIONS][classes]: rows for the mean, then for the maximum. */
static void add_logits(const struct ranking *ranking, const struct pooled *pooled, const float *weight, float *logits) {
    const float *most = weight + (size_t)EMBEDDING_DIMENSIONS * ranking->classes;
    for (uint32_t i = 0; i < EMBEDDING_DIMENSIONS; i++)
        for (uint32_t c = 0; c < ranking->classes; c++)
            logits[c] += pooled->mean[i] * weight[(size_t)i * ranking->classes + c] +
                         pooled->most[i] * most[(size_t)i * ranking->classes + c];
}

/* The statistics of RANKING_TIMBRE of one cepstrum (column n); `out` points at its place in the first of them. */
static void pool_cepstrum(const struct embedding *embedding, uint32_t first, uint32_t end, float limit, uint32_t n,
                          float *out) {
    enum { N = TIMBRE_CEPSTRA };
    double mean = 0, square = 0, within = 0, within_square = 0, change = 0, bend = 0;
    double most = -INFINITY, least = INFINITY;
    uint32_t used = 0;
    for (uint32_t t = first; t < end; t++) {
        if (embedding->level[t] <= limit) continue;
        const float *row = embedding->timbre + (size_t)t * TIMBRE_DIMENSIONS;
        const double value = (double)row[n], spread = (double)row[N + n];
        mean += value, square += value * value;
        within += spread, within_square += spread * spread;
        change += (double)row[2 * N + n], bend += (double)row[3 * N + n];
        most = fmax(most, value), least = fmin(least, value);
        used++;
    }
    mean /= used;
    const double between = fmax(square / used - mean * mean, 0);
    if (n > 0) out[n - 1] = (float)mean;
    out += N - 1 + n;
    out[0] = (float)sqrt(between + within_square / used);
    out[N] = (float)sqrt(between);
    out[2 * N] = (float)(within / used);
    out[3 * N] = (float)(change / used);
    out[4 * N] = (float)(bend / used);
    out[5 * N] = (float)(most - mean);
    out[6 * N] = (float)(least - mean);
}

/* Adds what the timbre says to the logits; outliers beyond five spreads count as five. */
static void add_timbre(const struct ranking *ranking, const struct embedding *embedding, uint32_t first, uint32_t end,
                       float limit, float *logits) {
    float pooled[RANKING_TIMBRE] = {0}, hidden[RANKING_WIDEST];
    for (uint32_t n = 0; n < TIMBRE_CEPSTRA; n++) pool_cepstrum(embedding, first, end, limit, n, pooled);
    memcpy(hidden, ranking->hidden_bias, ranking->hidden * sizeof(float));
    for (uint32_t i = 0; i < RANKING_TIMBRE; i++) {
        const float x = fminf(fmaxf((pooled[i] - ranking->timbre_mean[i]) * ranking->timbre_scale[i], -5), 5);
        for (uint32_t h = 0; h < ranking->hidden; h++)
            hidden[h] += x * ranking->hidden_weight[(size_t)i * ranking->hidden + h];
    }
    for (uint32_t h = 0; h < ranking->hidden; h++)
        for (uint32_t c = 0; c < ranking->classes && hidden[h] > 0; c++)
            logits[c] += hidden[h] * ranking->timbre_weight[(size_t)h * ranking->classes + c];
}

/* out = weight' x; the weight is [RANKING_FAMILIAR][RANKING_FAMILIAR]. Returns its squared length. */
static double whiten(const float *x, const float *weight, float *out) {
    double sum = 0;
    memset(out, 0, RANKING_FAMILIAR * sizeof(float));
    for (uint32_t i = 0; i < RANKING_FAMILIAR; i++)
        for (uint32_t k = 0; k < RANKING_FAMILIAR; k++) out[k] += x[i] * weight[(size_t)i * RANKING_FAMILIAR + k];
    for (uint32_t k = 0; k < RANKING_FAMILIAR; k++) sum += (double)out[k] * (double)out[k];
    return sum;
}

static void measure_familiarity(const struct ranking *ranking, const struct pooled *sound, const struct pooled *scene,
                                float *familiarity) {
    float x[RANKING_FAMILIAR], white[RANKING_FAMILIAR];
    memset(familiarity, 0, ranking->classes * sizeof(float));
    if (ranking->familiar_mean == NULL) return;
    memcpy(x, sound->mean, sizeof sound->mean);
    memcpy(x + EMBEDDING_DIMENSIONS, scene->mean, sizeof scene->mean);
    for (uint32_t i = 0; i < RANKING_FAMILIAR; i++)
        x[i] = (x[i] - ranking->familiar_mean[i]) * ranking->familiar_scale[i];
    const double far = whiten(x, ranking->familiar_far, white);
    whiten(x, ranking->familiar_near, white);
    for (uint32_t c = 0; c < ranking->classes; c++) {
        const float *centre = ranking->familiar_centres + (size_t)c * RANKING_FAMILIAR;
        double near = 0;
        for (uint32_t k = 0; k < RANKING_FAMILIAR; k++)
            near += ((double)white[k] - centre[k]) * ((double)white[k] - centre[k]);
        familiarity[c] = (float)(ranking->familiar_weight * (far - near));
    }
}

/* How much of class c's probability is left after what the timeline heard. */
static float heard_share(const struct ranking *ranking, const float *heard, uint32_t c) {
    if (ranking->kinds == NULL) return 1;
    float most = KIND_LEAST;
    for (uint32_t k = 0; k < RANKING_KINDS; k++)
        most = fmaxf(most, ranking->kinds[(size_t)c * RANKING_KINDS + k] * heard[k]);
    return sqrtf(most);
}

/* Each label's first class speaks for all of them. Sounds of several classes are like none of their centres. */
static void join_labels(const struct ranking *ranking, float *probabilities, float *familiarity) {
    for (uint32_t c = 0; c < ranking->classes; c++) {
        const uint32_t first = ranking->first[c];
        if (first == c) continue;
        probabilities[first] += probabilities[c];
        probabilities[c] = familiarity[first] = 0;
    }
}

void ranking_measure(const struct ranking *ranking, const struct embedding *embedding, uint32_t first, uint32_t end,
                     const float *heard, float *probabilities, float *familiarity) {
    struct pooled sound, scene;
    float logits[RANKING_MOST];
    const float limit = level_limit(embedding->level, first, end);
    memcpy(logits, ranking->bias, ranking->classes * sizeof(float));
    pool_branch(embedding, SOUND, first, end, limit, &sound);
    pool_branch(embedding, SCENE, first, end, limit, &scene);
    add_logits(ranking, &sound, ranking->weight, logits);
    if (ranking->scene != NULL) add_logits(ranking, &scene, ranking->scene, logits);
    if (ranking->hidden > 0) add_timbre(ranking, embedding, first, end, limit, logits);
    float highest = logits[0], sum = 0;
    for (uint32_t c = 1; c < ranking->classes; c++) highest = fmaxf(highest, logits[c]);
    for (uint32_t c = 0; c < ranking->classes; c++)
        sum += probabilities[c] = expf((logits[c] - highest) / ranking->calibration[0]) *
                                  heard_share(ranking, heard, c);
    for (uint32_t c = 0; c < ranking->classes; c++) probabilities[c] /= sum;
    measure_familiarity(ranking, &sound, &scene, familiarity);
    join_labels(ranking, probabilities, familiarity);
}

/* Puts an entry into the list, which is sorted and holds at most RANKING_TOP. */
static uint32_t insert(struct ranked *best, uint32_t count, struct ranked entry) {
    uint32_t at = count;
    while (at > 0 && best[at - 1].score < entry.score) at--;
    if (at == RANKING_TOP) return count;
    const uint32_t kept = count < RANKING_TOP ? count + 1 : count;
    for (uint32_t i = kept - 1; i > at; i--) best[i] = best[i - 1];
    best[at] = entry;
    return kept;
}

/* The group of what has no label: the one whose labels, shipped or not, are together this probable. A vocabulary of one
 * group has nothing to tell apart. */
static const char *group_of(const struct ranking *ranking, const float *probabilities) {
    for (uint32_t c = 0; c < ranking->classes; c++) {
        float sum = 0;
        uint32_t members = 0;
        for (uint32_t k = c; k < ranking->classes; k++) {
            if (strcmp(ranking->group[k], ranking->group[c]) != 0) continue;
            sum += probabilities[k];
            members++;
        }
        if (sum >= GROUP_SHARE) return members < ranking->classes ? ranking->group[c] : RANKING_UNKNOWN;
    }
    return RANKING_UNKNOWN;
}

/* How probable a label must be to carry the name, if the second is this probable: familiar classes need less. */
static float needed(const struct ranking *ranking, float second, float familiarity) {
    const float relief = expf(-fminf(fmaxf(familiarity, -20), 20));
    return fmaxf(ranking->calibration[1], ranking->calibration[2] * second * relief);
}

uint32_t ranking_sort(const struct ranking *ranking, const float *probabilities, const float *familiarity,
                      struct ranked *best) {
    struct ranked unknown = {RANKING_UNKNOWN, RANKING_UNKNOWN, 0};
    uint32_t count = 0, first = 0;
    float highest = 0;
    for (uint32_t c = 0; c < ranking->classes; c++) {
        if (!(ranking->shipped[c] > 0)) {
            unknown.score += probabilities[c];
            continue;
        }
        if (probabilities[c] > highest) highest = probabilities[c], first = c;
        if (probabilities[c] >= 0.01f)
            count = insert(best, count, (struct ranked){ranking->label[c], ranking->group[c], probabilities[c]});
    }
    const float second = count > 1 ? best[1].score : 0;
    const int unclear = count == 0 || best[0].score < needed(ranking, second, familiarity[first]);
    if (unclear || unknown.score > best[0].score) unknown.group = group_of(ranking, probabilities);
    /* Too little evidence to carry a label: what it lacks is the probability of being wrong. */
    if (unclear) {
        unknown.score = fmaxf(unknown.score, count ? 1 - best[0].score : 1);
        if (count == RANKING_TOP) count--;
        for (uint32_t i = count; i > 0; i--) {
            best[i] = best[i - 1];
            best[i].score *= 1 - unknown.score;
        }
        best[0] = unknown;
        return count + 1;
    }
    return unknown.score >= 0.01f ? insert(best, count, unknown) : count;
}
