/* Every check of `sonde plugin check`: its name, its level, what it looks for, and how to mend what it finds.
 * plugins/checks.md describes them for people; a test holds the two together. */
#ifndef SONDE_CHECK_TABLE_H
#define SONDE_CHECK_TABLE_H

#define CHECK_LEVELS 10

enum check_id {
    /* 1: it can be loaded */
    CHECK_FILE_ELF,
    CHECK_FILE_ENTRY,
    CHECK_FILE_ABI,
    CHECK_LOAD_LIBRARY,
    CHECK_LOAD_DESCRIPTOR,
    CHECK_LOAD_CREATE,
    /* 2: it says what it is */
    CHECK_FILE_EXPORTS,
    CHECK_FILE_LINKS,
    CHECK_FILE_IMPORTS,
    CHECK_FILE_MEMORY,
    CHECK_DECLARED_ID,
    CHECK_DECLARED_VERSION,
    CHECK_DECLARED_LICENCE,
    CHECK_DECLARED_TEXT,
    CHECK_DECLARED_SCHEMA,
    CHECK_DECLARED_UNITS,
    CHECK_DECLARED_SUMMARY,
    CHECK_DECLARED_FLAGS,
    CHECK_LOAD_UNKNOWN,
    CHECK_LOAD_EXTENSION,
    /* 3: it analyses ordinary audio */
    CHECK_RUN_ORDINARY,
    CHECK_RUN_CRASH,
    CHECK_RUN_TIME,
    CHECK_RUN_MEMORY,
    CHECK_RUN_SANDBOX,
    CHECK_RUN_CODES,
    CHECK_RESULT_WRITING,
    CHECK_RESULT_SCHEMA,
    CHECK_RESULT_INSTANTS,
    CHECK_RESULT_INTERFACE,
    CHECK_RESULT_ARRAYS,
    /* 4: ... and odd audio */
    CHECK_REGION_RATES,
    CHECK_REGION_CHANNELS,
    CHECK_REGION_ONE_SAMPLE,
    CHECK_REGION_SHORT,
    CHECK_REGION_SILENT,
    CHECK_REGION_LOUD,
    CHECK_REGION_NONFINITE,
    CHECK_REGION_CONSTANT,
    CHECK_REGION_NOISE,
    CHECK_REGION_DENORMAL,
    CHECK_REGION_FACTS,
    /* 5: the same audio, the same result */
    CHECK_SAME_DESCRIPTOR,
    CHECK_SAME_TWICE,
    CHECK_SAME_FRESH,
    CHECK_SAME_BLOCKS,
    CHECK_SAME_VERSION,
    /* 6: ... whatever came before or beside it */
    CHECK_SAME_AFTER_OTHERS,
    CHECK_SAME_AFTER_ABANDON,
    CHECK_SAME_INTERLEAVED,
    CHECK_SAME_POSITION,
    CHECK_RUN_INPUT,
    CHECK_RUN_BOUNDS,
    /* 7: parameters and needs */
    CHECK_PARAMS_DEFAULTS,
    CHECK_PARAMS_RANGE,
    CHECK_PARAMS_RANDOM,
    CHECK_NEEDS_MET,
    CHECK_NEEDS_ABSENT,
    CHECK_NEEDS_DECLARED,
    CHECK_NEEDS_CYCLE,
    /* 8: what it costs */
    CHECK_COST_SCAN,
    CHECK_COST_SCALING,
    CHECK_COST_DENORMAL,
    CHECK_COST_MEMORY,
    CHECK_COST_THREADS,
    CHECK_COST_LOG,
    /* 9: what it leaves behind */
    CHECK_COST_ALLOCATIONS,
    CHECK_COST_LEAK,
    CHECK_STATE_LOAD,
    CHECK_STATE_CALLS,
    /* 10: the end */
    CHECK_REGION_LONG,
    CHECK_END_DESTROY,
    CHECK_COUNT
};

struct check_entry {
    const char *id;
    int level;
    const char *looks_for; /* "what must be so", one clause */
    const char *mend;      /* one or two sentences */
};

extern const struct check_entry check_table[CHECK_COUNT];

#endif
