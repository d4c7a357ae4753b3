#include "engine/catalogue/rules.h"

#include "engine/base/hash.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX (2 * RULES_MAX_DISTINCT) /* kept of mode: regions' own values and their candidates */
#define DOUBT     0.01                     /* consensus: strength that any value has where it isn't a candidate */

/* One value of mode with what stands behind it. */
struct vote {
    const cJSON *word; /* of the sum's set; NULL: a number */
    double number;
    double weight;     /* what it adds to its value's sum */
    double duration;   /* s, of its region */
    double confidence; /* of its region, or the candidate's strength */
    size_t order;      /* of arrival */
    bool unknown;      /* it, or its region's own value, is no more than the word "unknown" */
};

struct votes {
    struct vote *items;
    size_t n, room;
};

/* A value of median. */
struct sample {
    double value, duration;
};

struct samples {
    struct sample *items;
    size_t n, room;
};

/* Different values, owned, with the weight of each. They are told apart by their hashes: comparing them one by one, let alone
 * objects member by member, would let one result keep the catalogue's writer busy for minutes. */
struct set {
    struct set_item {
        cJSON *value;
        double weight;
        uint64_t hash;
        size_t counted; /* union: the last region that it was counted in */
    } * items;
    size_t n, room;
    uint32_t *slots; /* 2 * room: places of the items by hash, plus 1; 0: none */
};

enum kind { LONGEST, MEDIAN, MEAN, MODE, CONSENSUS, CONCAT, MAX, MIN, SUM, UNION };
static const char *const kinds[] = {"longest", "median", "mean", "mode", "consensus",
                                    "concat",  "max",    "min",  "sum",  "union"};

struct rules_sum {
    const struct schema_summary *rule;
    enum kind kind;
    size_t n;        /* values so far */
    size_t elements; /* concat: of all regions */
    double value;    /* mean: sum of value times duration; max, min, sum: the value so far */
    double weight;   /* mean: s in all; longest: s of the longest */
    double first;    /* mean: the first value */
    cJSON *kept;     /* longest: its value; concat: the list */
    size_t bytes;    /* of it */
    bool overflow;   /* it is too long or too large, and not kept */
    size_t *bytes_left;
    struct samples samples;
    struct set set;        /* union: the values; else the words voted for */
    struct votes own, all; /* mode, consensus: of the regions' own values; of their candidates */
    bool known;            /* mode, consensus: some region recognised something */
};

static const cJSON *member(const cJSON *object, const char *name) {
    const cJSON *value = name ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;
    return cJSON_IsNull(value) ? NULL : value;
}

static double number_of(const cJSON *object, const char *name) {
    const cJSON *value = member(object, name);
    return cJSON_IsNumber(value) && isfinite(value->valuedouble) ? value->valuedouble : 0;
}

/* Room for one more of `size` bytes in an array of *room, of which `n` are taken. */
static bool make_room(void **items, size_t *room, size_t n, size_t size) {
    if (n < *room) return true;
    size_t more = *room ? 2 * *room : 16;
    void *grown = realloc(*items, more * size);
    if (!grown) return false;
    *items = grown;
    *room = more;
    return true;
}

/* ------------------------------------------------------------------------------------------------------------- sets */

/* The same for equal values, whatever the order of an object's members. */
static uint64_t hash_of(const cJSON *value) {
    uint64_t hash = (uint64_t)value->type & 0xff;
    if (cJSON_IsString(value)) return hash_number(value->valuestring, strlen(value->valuestring), hash);
    if (cJSON_IsNumber(value)) {
        double number = value->valuedouble + 0.0; /* there is one zero */
        return hash_number(&number, sizeof number, hash);
    }
    for (const cJSON *child = value->child; child; child = child->next) {
        uint64_t its = hash_of(child);
        if (cJSON_IsObject(value))
            hash += hash_number(child->string, strlen(child->string), its);
        else
            hash = hash_number(&its, sizeof its, hash);
    }
    return hash;
}

/* What a copy takes of memory. */
static size_t bytes_of(const cJSON *value) {
    size_t bytes = sizeof *value;
    if (value->string) bytes += strlen(value->string) + 1;
    if (value->valuestring) bytes += strlen(value->valuestring) + 1;
    for (const cJSON *child = value->child; child; child = child->next) bytes += bytes_of(child);
    return bytes;
}

/* Where the place of the item with this hash stands, or is to stand. */
static uint32_t *slot_of(const struct set *set, uint64_t hash) {
    size_t i = hash % (2 * set->room);
    while (set->slots[i] && set->items[set->slots[i] - 1].hash != hash) i = (i + 1) % (2 * set->room);
    return &set->slots[i];
}

static bool grow(struct set *set) {
    if (set->n < set->room) return true;
    size_t room = set->room ? 2 * set->room : 16;
    struct set_item *items = realloc(set->items, room * sizeof *items);
    uint32_t *slots = items ? calloc(2 * room, sizeof *slots) : NULL;
    if (items) set->items = items;
    if (!slots) return false;
    free(set->slots);
    set->slots = slots;
    set->room = room;
    for (size_t i = 0; i < set->n; i++) *slot_of(set, items[i].hash) = (uint32_t)i + 1;
    return true;
}

/* The set's entry for the value, made if it is new; NULL when there is no room for it (`*memory` stays) or for want of memory. */
static struct set_item *enter(struct rules_sum *sum, const cJSON *value, size_t most, bool *memory) {
    struct set *set = &sum->set;
    uint64_t hash = hash_of(value);
    const uint32_t *there = set->room > 0 ? slot_of(set, hash) : NULL;
    if (there && *there) return &set->items[*there - 1];
    size_t bytes = set->n < most ? bytes_of(value) : SIZE_MAX;
    if (bytes > *sum->bytes_left) return NULL;
    cJSON *copy = grow(set) ? cJSON_Duplicate(value, 1) : NULL;
    *memory = copy != NULL;
    if (!copy) return NULL;
    *sum->bytes_left -= bytes;
    set->items[set->n++] = (struct set_item){.value = copy, .hash = hash};
    *slot_of(set, hash) = (uint32_t)set->n;
    return &set->items[set->n - 1];
}

/* Each value counts once a region. */
static bool count(struct rules_sum *sum, const cJSON *value, double duration) {
    bool memory = true;
    struct set_item *item = enter(sum, value, RULES_MAX_DISTINCT, &memory);
    if (item && item->counted != sum->n) {
        item->weight += duration;
        item->counted = sum->n;
    }
    return memory;
}

static bool add_to_union(struct rules_sum *sum, const cJSON *value, double duration) {
    sum->n++;
    if (!cJSON_IsArray(value)) return count(sum, value, duration);
    const cJSON *element = NULL;
    cJSON_ArrayForEach(element, value) {
        if (!count(sum, element, duration)) return false;
    }
    return true;
}

/* Longest first; the set is small, and insertion keeps equals in their order. */
static void sort_set(struct set *set) {
    for (size_t i = 1; i < set->n; i++) {
        struct set_item moved = set->items[i];
        size_t k = i;
        for (; k > 0 && set->items[k - 1].weight < moved.weight; k--) set->items[k] = set->items[k - 1];
        set->items[k] = moved;
    }
}

static cJSON *end_union(struct set *set) {
    cJSON *out = cJSON_CreateArray();
    sort_set(set);
    for (size_t i = 0; out && i < set->n; i++) {
        if (!cJSON_AddItemToArray(out, set->items[i].value)) {
            cJSON_Delete(out);
            return NULL;
        }
        set->items[i].value = NULL; /* the list has it now */
    }
    return out;
}

/* ------------------------------------------------------------------------------------------------------------ lists */

static void drop_kept(struct rules_sum *sum) {
    cJSON_Delete(sum->kept);
    sum->kept = NULL;
    *sum->bytes_left += sum->bytes;
    sum->bytes = 0;
}

/* Whether there is room for a copy of the value, which is then taken. */
static bool take_room(struct rules_sum *sum, const cJSON *value) {
    size_t bytes = bytes_of(value);
    if (bytes > *sum->bytes_left) return false;
    *sum->bytes_left -= bytes;
    sum->bytes += bytes;
    return true;
}

static bool join_one(struct rules_sum *sum, const cJSON *element) {
    sum->overflow = sum->overflow || ++sum->elements > RULES_MAX_ELEMENTS || !take_room(sum, element);
    return sum->overflow || cJSON_AddItemToArray(sum->kept, cJSON_Duplicate(element, 1));
}

/* Appends copies of the value, or of each of its elements when it is an array, as long as the list isn't too long. */
static bool join(struct rules_sum *sum, const cJSON *value) {
    sum->n++;
    if (!sum->kept && !sum->overflow) sum->kept = cJSON_CreateArray();
    bool fine = sum->kept || sum->overflow;
    const cJSON *element = cJSON_IsArray(value) ? value->child : value;
    for (; fine && element; element = cJSON_IsArray(value) ? element->next : NULL) fine = join_one(sum, element);
    if (sum->overflow) drop_kept(sum);
    return fine;
}

static bool keep_longest(struct rules_sum *sum, const cJSON *value, double duration) {
    if (sum->n++ > 0 && duration <= sum->weight) return true;
    drop_kept(sum);
    sum->weight = duration;
    sum->overflow = !take_room(sum, value);
    if (!sum->overflow) sum->kept = cJSON_Duplicate(value, 1);
    return sum->kept || sum->overflow;
}

/* ---------------------------------------------------------------------------------------------------------- numbers */

static bool add_sample(struct samples *samples, double value, double duration) {
    void *items = samples->items;
    bool fine = make_room(&items, &samples->room, samples->n, sizeof *samples->items);
    samples->items = items;
    if (fine) samples->items[samples->n++] = (struct sample){value, duration};
    return fine;
}

static bool add_number(struct rules_sum *sum, double value, double duration) {
    bool first = sum->n++ == 0;
    if (sum->kind == MEDIAN) return add_sample(&sum->samples, value, duration);
    if (sum->kind == MEAN) {
        if (first) sum->first = value;
        sum->value += duration * value;
        sum->weight += duration;
    } else if (first) {
        sum->value = value;
    } else if (sum->kind == SUM) {
        sum->value += value;
    } else if (sum->kind == MAX ? value > sum->value : value < sum->value) {
        sum->value = value;
    }
    return true;
}

static int by_value(const void *a, const void *b) {
    double x = ((const struct sample *)a)->value, y = ((const struct sample *)b)->value;
    return (x > y) - (x < y);
}

static double median(struct samples *samples) {
    qsort(samples->items, samples->n, sizeof *samples->items, by_value);
    double total = 0, reached = 0;
    for (size_t i = 0; i < samples->n; i++) total += samples->items[i].duration;
    for (size_t i = 0; i < samples->n; i++) {
        reached += samples->items[i].duration;
        double value = samples->items[i].value;
        if (i + 1 < samples->n && fabs(reached - total / 2) <= 1e-9 * total)
            return (value + samples->items[i + 1].value) / 2;
        if (reached >= total / 2) return value;
    }
    return samples->items[samples->n - 1].value;
}

static double end_number(struct rules_sum *sum) {
    if (sum->kind == MEDIAN) return median(&sum->samples);
    if (sum->kind == MEAN) return sum->weight > 0 ? sum->value / sum->weight : sum->first;
    return sum->value;
}

/* ------------------------------------------------------------------------------------------------------------- mode */

/* A word that says that nothing was recognised. */
static bool is_unknown(const cJSON *value) {
    return cJSON_IsString(value) && strcmp(value->valuestring, "unknown") == 0;
}

/* Adds a vote for `value`, whose other members are set. Words beyond WORDS_MAX are left out. */
static bool add_vote(struct rules_sum *sum, struct votes *votes, const cJSON *value, struct vote vote) {
    bool memory = true;
    vote.order = votes->n;
    if (cJSON_IsNumber(value)) {
        vote.number = value->valuedouble;
    } else {
        const struct set_item *word = enter(sum, value, WORDS_MAX, &memory);
        if (!word) return memory;
        vote.word = word->value;
    }
    void *items = votes->items;
    memory = make_room(&items, &votes->room, votes->n, sizeof *votes->items);
    votes->items = items;
    if (memory) votes->items[votes->n++] = vote;
    return memory;
}

static bool is_election(const struct rules_sum *sum) {
    return sum->kind == MODE || sum->kind == CONSENSUS;
}

/* Where the regions are of one mind their strengths multiply: the logarithms add up, from nought for who isn't a candidate. */
static double weight_of(const struct rules_sum *sum, double duration, double strength) {
    return duration * (sum->kind == CONSENSUS ? log1p(fmax(strength, 0) / DOUBT) : strength);
}

/* A region's candidates, or, when it has none, its own value. */
static bool add_candidates(struct rules_sum *sum, const cJSON *own, const cJSON *list, struct vote vote) {
    const struct schema_summary *rule = sum->rule;
    const cJSON *candidate = NULL;
    int count = 0;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) == 0) return add_vote(sum, &sum->all, own, vote);
    cJSON_ArrayForEach(candidate, list) {
        const cJSON *value = member(candidate, rule->value ? rule->value : "value");
        double strength = number_of(candidate, rule->strength ? rule->strength : "strength");
        if (count++ == RULES_MAX_CANDIDATES) break;
        struct vote its = {.weight = weight_of(sum, vote.duration, strength),
                           .duration = vote.duration,
                           .confidence = strength,
                           .unknown = vote.unknown || is_unknown(value)};
        if (value && !add_vote(sum, &sum->all, value, its)) return false;
    }
    return true;
}

/* A region whose own value is null has nothing to say, whatever its candidates are. */
static bool add_region(struct rules_sum *sum, double duration, const cJSON *result) {
    const cJSON *own = member(result, sum->rule->property);
    double confidence = sum->rule->weight ? number_of(result, sum->rule->weight) : 1;
    if (!own) return true;
    struct vote vote = {.weight = weight_of(sum, duration, confidence),
                        .duration = duration,
                        .confidence = confidence,
                        .unknown = is_unknown(own)};
    if (!vote.unknown) sum->known = true;
    return add_vote(sum, &sum->own, own, vote) && add_candidates(sum, own, member(result, sum->rule->candidates), vote);
}

/* Where some region recognised something, those that didn't have nothing to say. */
static void leave_out_unknown(struct votes *votes) {
    size_t kept = 0;
    for (size_t i = 0; i < votes->n; i++)
        if (!votes->items[i].unknown) votes->items[kept++] = votes->items[i];
    votes->n = kept;
}

static bool agree(const struct vote *a, const struct vote *b, double tolerance) {
    if (a->word || b->word) return a->word == b->word; /* equal ones are one in the set */
    return fabs(a->number - b->number) <= tolerance * fmax(fabs(a->number), fabs(b->number));
}

/* Duration-weighted mean confidence of the votes that agree with the winner; NaN when none does. */
static double confidence_in(const struct votes *votes, const struct vote *winner, double tolerance) {
    double sum = 0, total = 0;
    for (size_t i = 0; i < votes->n; i++) {
        if (!agree(&votes->items[i], winner, tolerance)) continue;
        sum += votes->items[i].duration * votes->items[i].confidence;
        total += votes->items[i].duration;
    }
    return total > 0 ? sum / total : NAN;
}

/* A sum that leads counts as larger only beyond rounding. */
static bool leads(double sum, double best) {
    return sum > best + 1e-12 * fabs(best);
}

static int by_number(const void *a, const void *b) {
    double x = ((const struct vote *)a)->number, y = ((const struct vote *)b)->number;
    return (x > y) - (x < y);
}

/* The number with the largest weight around it; what agrees with a number lies around it in sorted order. */
static struct vote winning_number(struct votes *votes, double tolerance) {
    struct vote winner = votes->items[0];
    qsort(votes->items, votes->n, sizeof *votes->items, by_number);
    double sum = 0, best = -1;
    size_t low = 0, high = 0, earliest = SIZE_MAX;
    for (size_t i = 0; i < votes->n; i++) {
        const struct vote *centre = &votes->items[i];
        for (; high < votes->n && (high <= i || agree(&votes->items[high], centre, tolerance)); high++)
            sum += votes->items[high].weight;
        for (; low < i && !agree(&votes->items[low], centre, tolerance); low++) sum -= votes->items[low].weight;
        bool tied = !leads(sum, best) && !leads(best, sum);
        if (leads(sum, best) || (tied && centre->order < earliest)) {
            best = sum;
            winner = *centre;
            earliest = centre->order;
        }
    }
    return winner;
}

/* Where words are among the votes, each value stands for itself; those beyond RULES_MAX_DISTINCT are left out. */
static bool winning_word(const struct votes *votes, struct vote *winner) {
    struct vote *set = calloc(RULES_MAX_DISTINCT, sizeof *set);
    size_t n = 0, best = 0;
    if (!set) return false;
    for (size_t i = 0; i < votes->n; i++) {
        size_t k = 0;
        while (k < n && !agree(&set[k], &votes->items[i], 0)) k++;
        if (k < n)
            set[k].weight += votes->items[i].weight;
        else if (n < RULES_MAX_DISTINCT)
            set[n++] = votes->items[i];
    }
    for (size_t i = 1; i < n; i++)
        if (leads(set[i].weight, set[best].weight)) best = i;
    *winner = set[best];
    free(set);
    return true;
}

static bool find_winner(struct votes *votes, double tolerance, struct vote *winner) {
    for (size_t i = 0; i < votes->n; i++)
        if (votes->items[i].word) return winning_word(votes, winner);
    *winner = winning_number(votes, tolerance);
    return true;
}

/* The winner as a new item: a number is the mean of those that agree. */
static cJSON *settle(const struct votes *votes, const struct vote *winner, double tolerance) {
    if (winner->word) return cJSON_Duplicate(winner->word, 1);
    double sum = 0, total = 0;
    for (size_t i = 0; i < votes->n; i++) {
        if (!agree(&votes->items[i], winner, tolerance)) continue;
        sum += votes->items[i].weight * votes->items[i].number;
        total += votes->items[i].weight;
    }
    return cJSON_CreateNumber(total > 0 ? sum / total : winner->number);
}

/* Where no region recognised anything, what each thought of and rejected isn't asked. */
static cJSON *end_mode(struct rules_sum *sum, double *confidence) {
    struct votes *votes = sum->known ? &sum->all : &sum->own;
    double tolerance = sum->rule->tolerance;
    struct vote winner;
    if (!find_winner(votes, tolerance, &winner)) return NULL;
    cJSON *result = settle(votes, &winner, tolerance);
    *confidence = confidence_in(&sum->own, &winner, tolerance);
    if (isnan(*confidence)) *confidence = confidence_in(&sum->all, &winner, tolerance);
    return result;
}

/* ------------------------------------------------------------------------------------------------------------ rules */

struct rules_sum *rules_begin(const struct schema_summary *rule, size_t *room) {
    struct rules_sum *sum = calloc(1, sizeof *sum);
    if (!sum) return NULL;
    sum->rule = rule;
    sum->bytes_left = room;
    while (sum->kind < UNION && strcmp(kinds[sum->kind], rule->rule) != 0) sum->kind++;
    return sum;
}

bool rules_add(struct rules_sum *sum, double duration, const cJSON *result) {
    if (is_election(sum)) return add_region(sum, duration, result);
    const cJSON *value = member(result, sum->rule->property);
    if (!value) return true;
    if (sum->kind == LONGEST) return keep_longest(sum, value, duration);
    if (sum->kind == CONCAT) return join(sum, value);
    if (sum->kind == UNION) return add_to_union(sum, value, duration);
    return !cJSON_IsNumber(value) || !isfinite(value->valuedouble) || add_number(sum, value->valuedouble, duration);
}

cJSON *rules_end(struct rules_sum *sum, double *confidence, struct error *error) {
    *confidence = NAN;
    cJSON *result = NULL;
    if (sum->known) {
        leave_out_unknown(&sum->own);
        leave_out_unknown(&sum->all);
    }
    if (is_election(sum) ? sum->all.n == 0 : sum->n == 0) return NULL; /* nobody says anything */
    if (sum->overflow) {
        error_system(error, EOVERFLOW, "%s is too long, or too large", sum->rule->property);
        return NULL;
    }
    if (is_election(sum))
        result = end_mode(sum, confidence);
    else if (sum->kind == UNION)
        result = end_union(&sum->set);
    else if (sum->kind != LONGEST && sum->kind != CONCAT)
        result = cJSON_CreateNumber(end_number(sum));
    else {
        result = sum->kept;
        sum->kept = NULL;
    }
    if (!result) error_memory(error);
    return result;
}

void rules_free(struct rules_sum *sum) {
    if (!sum) return;
    for (size_t i = 0; i < sum->set.n; i++) cJSON_Delete(sum->set.items[i].value);
    cJSON_Delete(sum->kept);
    free(sum->samples.items);
    free(sum->set.items);
    free(sum->set.slots);
    free(sum->own.items);
    free(sum->all.items);
    free(sum);
}
