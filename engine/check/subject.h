/* Inside the checks: the library that is looked at, and one plugin of it after the other. */
#ifndef SONDE_CHECK_SUBJECT_H
#define SONDE_CHECK_SUBJECT_H

#include "engine/check/check.h"
#include "engine/check/session.h"

/* Some sounds are needed again and again. */
enum known_sound { BRIEF, ORDINARY, LONG, SHORTEST, KNOWN_SOUNDS };

/* What the plugin needs, for one sound. */
struct prepared {
    const struct sound *sound;
    struct session_input *inputs;
    size_t count;
};

/* Those that provide what the plugin needs. */
struct company {
    struct session *session; /* NULL: not started */
    cJSON *libraries;        /* settings; NULL: nobody is needed */
    const cJSON *plugins[16];
    size_t plugins_count;
    struct prepared *prepared;
    size_t prepared_count;
};

struct subject {
    const struct check_options *options;
    const struct check_library *library;
    struct report *report;
    struct desk desk;
    cJSON *message;          /* the `library` message of the first session */
    struct session *session; /* with the default settings, for whatever needs nothing special; may be NULL or dead */
    struct sound sounds[KNOWN_SOUNDS];
    unsigned deaths; /* workers that this plugin has killed or hung */
    /* The plugin: */
    const cJSON *descriptor; /* of the protocol */
    const char *plugin;      /* its id */
    struct company company;
    struct answer ordinary; /* what it says about ordinary audio; outcome "" before that is known */
    struct answer brief;
    uint64_t arrays_written; /* bit i: it has written the `i`th of the arrays that it declares */
};

/* The checks, each a file. They record what they find. False: nothing more can be done; without a sentence in `error` it is
 * the library's own fault, and recorded. */
bool check_file(struct subject *s);                          /* file_checks.c; false: don't load it */
void check_declared(struct subject *s);                      /* declared_checks.c: all plugins' descriptors */
bool check_loading(struct subject *s, struct error *error);  /* load_checks.c */
bool check_regions(struct subject *s, struct error *error);  /* region_checks.c */
bool check_sameness(struct subject *s, struct error *error); /* same_checks.c */
bool check_bounds(struct subject *s, struct error *error);   /* bounds_checks.c */
bool check_params(struct subject *s, struct error *error);   /* param_checks.c */
bool check_needs(struct subject *s, struct error *error);    /* need_checks.c */
bool check_costs(struct subject *s, struct error *error);    /* cost_checks.c */
bool check_end(struct subject *s, struct error *error);      /* load_checks.c */

/* Tools for them (subject.c). */

/* Adds one to the protocol's `libraries`, with settings of the plugin's parameters (taken; NULL: none). False: no memory. */
bool subject_add_library(const struct subject *s, cJSON *list, const struct check_library *library, cJSON *params);

/* A session with the subject alone in it, and settings of the plugin's parameters (taken; NULL: none); `spec` (NULL: nothing
 * special) but for its libraries. NULL with a sentence when none could be had. */
struct session *subject_session(struct subject *s, const struct session_spec *spec, cJSON *params, struct error *error);

/* The default session, started anew if it has died. False as for checks. */
bool subject_ready(struct subject *s, struct error *error);

/* Whether the plugin has cost so many workers that going on makes no sense. */
bool subject_is_given_up(const struct subject *s);

const struct sound *subject_sound(struct subject *s, enum known_sound which, struct error *error);

/* Has the plugin analyse `sound` in `session` (NULL: the default one), with what it needs. A death is recorded under the
 * check that it belongs to, and so is all that the worker measured. */
bool subject_analyse(struct subject *s, struct session *session, const struct sound *sound, struct answer *answer,
                     struct error *error);

/* The same with all the options of a job; `job`'s plugins and inputs are filled in here. */
bool subject_job(struct subject *s, struct session *session, struct session_job *job, struct answer *answer,
                 struct error *error);

/* The same, but nothing is recorded: the caller knows better what it means. */
bool subject_try(struct subject *s, struct session *session, struct session_job *job, struct answer *answer,
                 struct error *error);

/* Whether two answers are the same; else the first difference, in words. */
bool subject_compare(const struct answer *a, const struct answer *b, char *difference, size_t size);

/* Whether the plugin says that the same audio always gives the same result. */
bool subject_is_deterministic(const struct subject *s);

/* Outcomes that a region may have: ok, empty, unsupported. */
bool answer_is_orderly(const struct answer *answer);

/* need_checks.c: finds who provides what the plugin needs, and what they say of a sound. NULL with count 0: nothing needed,
 * or not to be had. */
bool company_find(struct subject *s, struct error *error);
const struct prepared *company_inputs(struct subject *s, const struct sound *sound, struct error *error);
void company_clear(struct company *company);

#endif
