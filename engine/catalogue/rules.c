#include "engine/catalogue/rules.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* One value with what stands behind it. */
struct vote {
    const cJSON *value;
    double weight;     /* duration times confidence or strength */
    double duration;   /* s, of its region */
    double confidence; /* of its region, or the candidate's strength */
    size_t order;      /* of arrival */
};

struct votes {
    struct vote *items;
    size_t n, room;
};

static const cJSON *member(const cJSON *object, const char *name) {
    const cJSON *value = name ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;
    return cJSON_IsNull(value) ? NULL : value;
}

static double number_of(const cJSON *object, const char *name) {
    const cJSON *value = member(object, name);
    return cJSON_IsNumber(value) && isfinite(value->valuedouble) ? value->valuedouble : 0;
}

static bool add_vote(struct votes *votes, struct vote vote) {
    if (votes->n == votes->room) {
        size_t room = votes->room ? 2 * votes->room : 32;
        struct vote *grown = realloc(votes->items, room * sizeof *grown);
        if (!grown) return false;
        votes->items = grown;
        votes->room = room;
    }
    vote.order = votes->n;
    votes->items[votes->n++] = vote;
    return true;
}

/* The property's value in every region that has one; numbers only where asked. Weighted by duration. */
static bool collect(const struct schema_summary *rule, const struct rules_region *regions, size_t n, bool numbers,
                    struct votes *votes) {
    for (size_t i = 0; i < n; i++) {
        const cJSON *value = member(regions[i].result, rule->property);
        if (!value || (numbers && (!cJSON_IsNumber(value) || !isfinite(value->valuedouble)))) continue;
        struct vote vote = {value, regions[i].duration, regions[i].duration, 1, 0};
        if (!add_vote(votes, vote)) return false;
    }
    return true;
}

/* ---------------------------------------------------------------------------------------------------------- numbers */

static cJSON *longest(const struct votes *votes) {
    const struct vote *best = &votes->items[0];
    for (size_t i = 1; i < votes->n; i++)
        if (votes->items[i].duration > best->duration) best = &votes->items[i];
    return cJSON_Duplicate(best->value, 1);
}

static int by_number(const void *a, const void *b) {
    double x = ((const struct vote *)a)->value->valuedouble, y = ((const struct vote *)b)->value->valuedouble;
    return (x > y) - (x < y);
}

static cJSON *median(struct votes *votes) {
    qsort(votes->items, votes->n, sizeof *votes->items, by_number);
    double total = 0, reached = 0;
    for (size_t i = 0; i < votes->n; i++) total += votes->items[i].duration;
    for (size_t i = 0; i < votes->n; i++) {
        reached += votes->items[i].duration;
        double value = votes->items[i].value->valuedouble;
        if (i + 1 < votes->n && fabs(reached - total / 2) <= 1e-9 * total)
            return cJSON_CreateNumber((value + votes->items[i + 1].value->valuedouble) / 2);
        if (reached >= total / 2) return cJSON_CreateNumber(value);
    }
    return cJSON_CreateNumber(votes->items[votes->n - 1].value->valuedouble);
}

static cJSON *mean(const struct votes *votes) {
    double sum = 0, total = 0;
    for (size_t i = 0; i < votes->n; i++) {
        sum += votes->items[i].duration * votes->items[i].value->valuedouble;
        total += votes->items[i].duration;
    }
    return cJSON_CreateNumber(total > 0 ? sum / total : votes->items[0].value->valuedouble);
}

static cJSON *extreme(const struct votes *votes, const char *rule) {
    double value = votes->items[0].value->valuedouble;
    for (size_t i = 1; i < votes->n; i++) {
        double next = votes->items[i].value->valuedouble;
        if (strcmp(rule, "sum") == 0)
            value += next;
        else if (strcmp(rule, "max") == 0 ? next > value : next < value)
            value = next;
    }
    return cJSON_CreateNumber(value);
}

/* ------------------------------------------------------------------------------------------------------------- mode */

static bool agree(const cJSON *a, const cJSON *b, double tolerance) {
    if (cJSON_IsNumber(a) && cJSON_IsNumber(b)) {
        double x = a->valuedouble, y = b->valuedouble;
        return fabs(x - y) <= tolerance * fmax(fabs(x), fabs(y));
    }
    return cJSON_Compare(a, b, 1);
}

/* A word that says that nothing was recognised. */
static bool is_unknown(const cJSON *value) {
    return cJSON_IsString(value) && strcmp(value->valuestring, "unknown") == 0;
}

/* Whether some region recognised something: then those that didn't have nothing to say. */
static bool any_is_known(const struct schema_summary *rule, const struct rules_region *regions, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const cJSON *value = member(regions[i].result, rule->property);
        if (value && !is_unknown(value)) return true;
    }
    return false;
}

/* A region's candidates, or, when it has none, its own value. A region whose own value is null has nothing to say,
 * whatever its candidates are. */
static bool collect_candidates(const struct schema_summary *rule, const struct rules_region *region, double confidence,
                               bool known, struct votes *votes) {
    const cJSON *candidate = NULL, *list = member(region->result, rule->candidates);
    const cJSON *own = member(region->result, rule->property);
    if (!own) return true;
    if (cJSON_IsArray(list)) {
        cJSON_ArrayForEach(candidate, list) {
            const cJSON *value = member(candidate, rule->value ? rule->value : "value");
            double strength = number_of(candidate, rule->strength ? rule->strength : "strength");
            if (value && !(known && is_unknown(value)) &&
                !add_vote(votes, (struct vote){value, region->duration * strength, region->duration, strength, 0}))
                return false;
        }
        if (cJSON_GetArraySize(list) > 0) return true;
    }
    return add_vote(votes, (struct vote){own, region->duration * confidence, region->duration, confidence, 0});
}

/* Duration-weighted mean confidence of the votes that agree with the winner; NaN when none does. */
static double confidence_in(const struct votes *votes, const cJSON *winner, double tolerance) {
    double sum = 0, total = 0;
    for (size_t i = 0; i < votes->n; i++) {
        if (!agree(votes->items[i].value, winner, tolerance)) continue;
        sum += votes->items[i].duration * votes->items[i].confidence;
        total += votes->items[i].duration;
    }
    return total > 0 ? sum / total : NAN;
}

/* A sum that leads counts as larger only beyond rounding. */
static bool leads(double sum, double best) {
    return sum > best + 1e-12 * fabs(best);
}

/* The number with the largest weight around it; what agrees with a number lies around it in sorted order. */
static const cJSON *winning_number(struct votes *votes, double tolerance) {
    const cJSON *first = votes->items[0].value, *winner = first;
    qsort(votes->items, votes->n, sizeof *votes->items, by_number);
    double sum = 0, best = -1;
    size_t low = 0, high = 0, earliest = SIZE_MAX;
    for (size_t i = 0; i < votes->n; i++) {
        const cJSON *centre = votes->items[i].value;
        for (; high < votes->n && (high <= i || agree(votes->items[high].value, centre, tolerance)); high++)
            sum += votes->items[high].weight;
        for (; low < i && !agree(votes->items[low].value, centre, tolerance); low++) sum -= votes->items[low].weight;
        bool tied = !leads(sum, best) && !leads(best, sum);
        if (leads(sum, best) || (tied && votes->items[i].order < earliest)) {
            best = sum;
            winner = centre;
            earliest = votes->items[i].order;
        }
    }
    return winner;
}

/* Adds the vote to the set's entry for its value; values beyond RULES_MAX_DISTINCT are left out. */
static bool join_set(struct votes *set, const cJSON *value, double weight) {
    for (size_t i = 0; i < set->n; i++)
        if (cJSON_Compare(set->items[i].value, value, 1)) {
            set->items[i].weight += weight;
            return true;
        }
    return set->n >= RULES_MAX_DISTINCT || add_vote(set, (struct vote){.value = value, .weight = weight});
}

static const cJSON *winning_word(const struct votes *votes, bool *memory) {
    struct votes set = {0};
    for (size_t i = 0; i < votes->n && *memory; i++)
        *memory = join_set(&set, votes->items[i].value, votes->items[i].weight);
    size_t best = 0;
    for (size_t i = 1; i < set.n; i++)
        if (leads(set.items[i].weight, set.items[best].weight)) best = i;
    const cJSON *winner = set.n > 0 ? set.items[best].value : NULL;
    free(set.items);
    return winner;
}

static const cJSON *winner_of(struct votes *votes, double tolerance, bool *memory) {
    for (size_t i = 0; i < votes->n; i++)
        if (!cJSON_IsNumber(votes->items[i].value)) return winning_word(votes, memory);
    return winning_number(votes, tolerance);
}

/* The winner as a new item: a number is the mean of those that agree. */
static cJSON *settle(const struct votes *votes, const cJSON *winner, double tolerance) {
    if (!cJSON_IsNumber(winner)) return cJSON_Duplicate(winner, 1);
    double sum = 0, total = 0;
    for (size_t i = 0; i < votes->n; i++) {
        if (!agree(votes->items[i].value, winner, tolerance)) continue;
        sum += votes->items[i].weight * votes->items[i].value->valuedouble;
        total += votes->items[i].weight;
    }
    return cJSON_CreateNumber(total > 0 ? sum / total : winner->valuedouble);
}

static cJSON *mode(const struct schema_summary *rule, const struct rules_region *regions, size_t n, double *confidence,
                   bool *memory) {
    struct votes own = {0}, all = {0};
    bool known = any_is_known(rule, regions, n);
    for (size_t i = 0; i < n && *memory; i++) {
        const cJSON *value = member(regions[i].result, rule->property);
        if (known && is_unknown(value)) continue;
        double c = rule->weight ? number_of(regions[i].result, rule->weight) : 1;
        if (value) *memory = add_vote(&own, (struct vote){value, regions[i].duration * c, regions[i].duration, c, 0});
        if (*memory) *memory = collect_candidates(rule, &regions[i], c, known, &all);
    }
    cJSON *result = NULL;
    if (*memory && all.n > 0) {
        const cJSON *winner = winner_of(&all, rule->tolerance, memory);
        result = *memory ? settle(&all, winner, rule->tolerance) : NULL;
        *confidence = *memory ? confidence_in(&own, winner, rule->tolerance) : NAN;
        if (*memory && isnan(*confidence)) *confidence = confidence_in(&all, winner, rule->tolerance);
        *memory = result != NULL;
    }
    free(own.items);
    free(all.items);
    return result;
}

/* ------------------------------------------------------------------------------------------------------------- sets */

/* Appends a copy of the value, or of each element when it is an array. */
static bool append(cJSON *to, const cJSON *value) {
    if (!cJSON_IsArray(value)) return cJSON_AddItemToArray(to, cJSON_Duplicate(value, 1));
    const cJSON *element = NULL;
    cJSON_ArrayForEach(element, value) {
        if (!cJSON_AddItemToArray(to, cJSON_Duplicate(element, 1))) return false;
    }
    return true;
}

static cJSON *join(const struct votes *votes) {
    cJSON *out = cJSON_CreateArray();
    for (size_t i = 0; out && i < votes->n; i++)
        if (!append(out, votes->items[i].value)) {
            cJSON_Delete(out);
            return NULL;
        }
    return out;
}

static bool too_long(const struct votes *votes) {
    size_t count = 0;
    for (size_t i = 0; i < votes->n; i++) {
        const cJSON *value = votes->items[i].value;
        count += cJSON_IsArray(value) ? (size_t)cJSON_GetArraySize(value) : 1;
    }
    return count > RULES_MAX_ELEMENTS;
}

/* Longest first; the set is small, and insertion keeps equals in their order. */
static void sort_set(struct votes *set) {
    for (size_t i = 1; i < set->n; i++) {
        struct vote moved = set->items[i];
        size_t k = i;
        for (; k > 0 && set->items[k - 1].weight < moved.weight; k--) set->items[k] = set->items[k - 1];
        set->items[k] = moved;
    }
}

/* Whether an equal element stands before this one: each counts once a region. */
static bool repeated(const cJSON *array, const cJSON *element) {
    for (const cJSON *before = array->child; before && before != element; before = before->next)
        if (cJSON_Compare(before, element, 1)) return true;
    return false;
}

static cJSON *set_union(const struct votes *votes) {
    struct votes set = {0};
    bool fine = true;
    for (size_t i = 0; i < votes->n && fine; i++) {
        const cJSON *value = votes->items[i].value, *element = NULL;
        if (!cJSON_IsArray(value))
            fine = join_set(&set, value, votes->items[i].duration);
        else
            cJSON_ArrayForEach(element, value) {
                if (repeated(value, element)) continue;
                fine = fine && join_set(&set, element, votes->items[i].duration);
            }
    }
    sort_set(&set);
    cJSON *out = fine ? cJSON_CreateArray() : NULL;
    for (size_t i = 0; out && i < set.n; i++)
        if (!cJSON_AddItemToArray(out, cJSON_Duplicate(set.items[i].value, 1))) {
            cJSON_Delete(out);
            out = NULL;
        }
    free(set.items);
    return out;
}

/* ------------------------------------------------------------------------------------------------------------ rules */

static cJSON *apply(const struct schema_summary *rule, struct votes *votes) {
    const char *name = rule->rule;
    if (strcmp(name, "longest") == 0) return longest(votes);
    if (strcmp(name, "concat") == 0) return join(votes);
    if (strcmp(name, "union") == 0) return set_union(votes);
    if (strcmp(name, "median") == 0) return median(votes);
    if (strcmp(name, "mean") == 0) return mean(votes);
    return extreme(votes, name);
}

cJSON *rules_apply(const struct schema_summary *rule, const struct rules_region *regions, size_t n, double *confidence,
                   struct error *error) {
    *confidence = NAN;
    bool memory = true;
    cJSON *result = NULL;
    if (strcmp(rule->rule, "mode") == 0) {
        result = mode(rule, regions, n, confidence, &memory);
    } else {
        bool any = strcmp(rule->rule, "longest") == 0 || strcmp(rule->rule, "concat") == 0 ||
                   strcmp(rule->rule, "union") == 0;
        struct votes votes = {0};
        memory = collect(rule, regions, n, !any, &votes);
        bool left_out = memory && strcmp(rule->rule, "concat") == 0 && too_long(&votes);
        if (memory && votes.n > 0 && !left_out) {
            result = apply(rule, &votes);
            memory = result != NULL;
        }
        free(votes.items);
        if (left_out) error_system(error, EOVERFLOW, "%s is too long to be joined", rule->property);
    }
    if (!memory) error_memory(error);
    return result;
}
