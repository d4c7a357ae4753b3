/* UTF-8 text made from bytes that may be anything. Any thread. */
#ifndef SONDE_BASE_TEXT_H
#define SONDE_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Length in bytes (1 to 4) of the valid UTF-8 character at `s` (`n` bytes are there), or 0 if it isn't one. Surrogates,
 * overlong forms and values above U+10FFFF aren't. */
size_t text_character(const char *s, size_t n);

bool text_is_utf8(const char *s, size_t n);

/* Shortens the zero-terminated `s` to at most `max` bytes, without cutting a UTF-8 character in two. */
void text_cut(char *s, size_t max);

/* Whether the character of `length` bytes (text_character) commands a terminal instead of being shown: control characters, and
 * those that turn the direction of what follows (U+202A to U+202E, U+2066 to U+2069), so that "gpj.exe" reads "exe.jpg". */
bool text_is_control(const char *s, size_t length);

/* A copy of `n` bytes as valid UTF-8 for display: bytes that aren't become U+FFFD, and control characters (a newline in a
 * file name, an escape sequence, text_is_control) become U+FFFD too, so that one name stays on one line. Caller frees; NULL: out of memory. */
char *text_display(const char *s, size_t n);

/* The `n` bytes in hexadecimal digits, where `display`, which is their text_display, doesn't tell them. NULL: it does, or out of
 * memory. Caller frees. */
char *text_hex(const char *s, size_t n, const char *display);

#endif
