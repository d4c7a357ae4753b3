/* A plugin's result in one paragraph, for people. One thread. */
#ifndef SONDE_CLI_RESULT_TEXT_H
#define SONDE_CLI_RESULT_TEXT_H

#include <cjson/cJSON.h>
#include <stdio.h>

/* Prints the members of a result's top level, with the units of the plugin's schema (NULL: without), wrapped to `width`
 * columns behind `indent` spaces: numbers and texts as they are, short lists and
 * objects of them whole, of a few things that begin at some time (keys, chords) when and what, longer ones as their count. */
void result_text_print(FILE *out, const cJSON *result, const cJSON *schema, int indent, int width);

#endif
