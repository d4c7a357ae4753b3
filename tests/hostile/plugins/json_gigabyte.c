/* Writes without end.
 * expect: failed
 * check: result.writing */
#define FINISH for (int i = 0; i < 1 << 22; i++) { char key[20]; snprintf(key, sizeof key, "k%d", i); out->string(out, key, "a string of some length, again and again and again and again and again and again, with no end in sight, for a gigabyte"); }
#include "../hostile.h"
