/* A folder of a test's own, with the names of what it does in it. */
#ifndef SONDE_TESTS_UNIT_PLACE_RIG_H
#define SONDE_TESTS_UNIT_PLACE_RIG_H

struct place {
    char folder[64];
    char path[400]; /* the last made by `at` */
};

const char *at(struct place *place, const char *name);
void place_make(struct place *place);
void place_remove(struct place *place);
void write_text(const char *path, const char *text);

#endif
