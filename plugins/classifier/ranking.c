#include "ranking.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    if (found == ranking->classes) return 0;
    snprintf(error, n,
             "the vocabulary of the weights file does not have one line \"group/label\" for each of its %u classes",
             ranking->classes);
    ranking_close(ranking);
    return -1;
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
    if ((ranking->weight = weights_floats(w, "classes.weight", 2 * RANKING_DIMENSIONS, classes, 1, error, n)) == NULL ||
        (ranking->bias = weights_floats(w, "classes.bias", classes, 1, 1, error, n)) == NULL ||
        (ranking->shipped = weights_floats(w, "classes.shipped", classes, 1, 1, error, n)) == NULL ||
        (ranking->calibration = weights_floats(w, "calibration", 3, 1, 1, error, n)) == NULL)
        return -1;
    if (!(ranking->calibration[0] > 0)) {
        snprintf(error, n, "the weights file has a temperature that is not positive");
        return -1;
    }
    return read_names(ranking, error, n);
}

void ranking_close(struct ranking *ranking) {
    free(ranking->names);
    ranking->names = NULL;
}

/* Mean and maximum of the steps that sound; of all of them if none does. */
static void pool(const float *embedding, const float *level, uint32_t first, uint32_t end, float *pooled) {
    float loudest = -200;
    for (uint32_t t = first; t < end; t++) loudest = fmaxf(loudest, level[t]);
    const float limit = loudest > -85 ? fmaxf(loudest - 40, -85) : -300;
    float *mean = pooled, *most = pooled + RANKING_DIMENSIONS;
    memset(pooled, 0, 2 * RANKING_DIMENSIONS * sizeof(float));
    uint32_t used = 0;
    for (uint32_t t = first; t < end; t++) {
        if (level[t] <= limit) continue;
        const float *row = embedding + (size_t)t * RANKING_DIMENSIONS;
        for (uint32_t i = 0; i < RANKING_DIMENSIONS; i++) {
            mean[i] += row[i];
            most[i] = fmaxf(most[i], row[i]); /* embeddings are not negative */
        }
        used++;
    }
    for (uint32_t i = 0; i < RANKING_DIMENSIONS && used > 0; i++) mean[i] /= (float)used;
}

void ranking_measure(const struct ranking *ranking, const float *embedding, const float *level, uint32_t first,
                     uint32_t end, float *probabilities) {
    float pooled[2 * RANKING_DIMENSIONS];
    pool(embedding, level, first, end, pooled);
    float logits[RANKING_MOST];
    memcpy(logits, ranking->bias, ranking->classes * sizeof(float));
    for (uint32_t i = 0; i < 2 * RANKING_DIMENSIONS; i++)
        for (uint32_t c = 0; c < ranking->classes; c++)
            logits[c] += pooled[i] * ranking->weight[(size_t)i * ranking->classes + c];
    float highest = logits[0], sum = 0;
    for (uint32_t c = 1; c < ranking->classes; c++) highest = fmaxf(highest, logits[c]);
    for (uint32_t c = 0; c < ranking->classes; c++)
        sum += probabilities[c] = expf((logits[c] - highest) / ranking->calibration[0]);
    for (uint32_t c = 0; c < ranking->classes; c++) probabilities[c] /= sum;
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

uint32_t ranking_sort(const struct ranking *ranking, const float *probabilities, struct ranked *best) {
    struct ranked unknown = {"unknown", "unknown", 0};
    uint32_t count = 0;
    for (uint32_t c = 0; c < ranking->classes; c++) {
        if (!(ranking->shipped[c] > 0))
            unknown.score += probabilities[c];
        else if (probabilities[c] >= 0.01f)
            count = insert(best, count, (struct ranked){ranking->label[c], ranking->group[c], probabilities[c]});
    }
    /* Below the threshold the evidence does not carry a label: what it lacks is the probability of being wrong. */
    if (count == 0 || best[0].score < ranking->calibration[1]) {
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
