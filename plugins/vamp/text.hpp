// SPDX-License-Identifier: MIT
// Texts of Vamp libraries, which may hold anything, as sonde wants them.
#ifndef SONDE_VAMP_TEXT_HPP
#define SONDE_VAMP_TEXT_HPP

#include <string>
#include <vector>

namespace bridge {

// Appends `text` as UTF-8 on one line, at most `max` bytes of it: what is neither is "?", line breaks and tabs are spaces.
void add_plain(std::string &to, const char *text, size_t max);

// The same as a text of its own; `fallback` where nothing is left.
std::string plain(const std::string &text, const std::string &fallback, size_t max);

// Lower-case letters, digits and what else is `allowed`, at most `max` of them; all else becomes "_".
std::string word(const std::string &text, const std::string &allowed, size_t max);

// `wanted`, or that with a number behind it: a word that none of `taken` is. It joins them.
std::string distinct(const std::string &wanted, std::vector<std::string> &taken);

// A JSON string of at most `max` bytes of the text.
std::string quoted(const std::string &text, size_t max);

} // namespace bridge

#endif
