// SPDX-License-Identifier: MIT
#include "text.hpp"

#include <algorithm>
#include <cstring>

namespace bridge {

namespace {

// The bytes of the character at the start of `s`, or 0 when they are no printable one in UTF-8 (the Unicode standard, table 3-7).
size_t character(const unsigned char *s) {
    if (s[0] < 0x80) return s[0] >= ' ' && s[0] < 0x7f;
    size_t n = s[0] >= 0xc2 && s[0] <= 0xdf ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4 : 0;
    unsigned least = s[0] == 0xe0 || s[0] == 0xc2 ? 0xa0
                     : s[0] == 0xf0               ? 0x90
                                                  : 0x80; // of the second; 0xc2 0x80 to 0x9f: controls
    unsigned most = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
    if (n == 0 || s[1] < least || s[1] > most) return 0;
    for (size_t i = 2; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    return n;
}

} // namespace

void add_plain(std::string &to, const char *text, size_t max) {
    size_t end = to.size() + max;
    while (*text) {
        size_t n = character(reinterpret_cast<const unsigned char *>(text));
        if (to.size() + std::max<size_t>(n, 1) > end) return;
        if (n)
            to.append(text, n);
        else
            to += std::strchr("\n\r\t", *text) ? ' ' : '?';
        text += std::max<size_t>(n, 1);
    }
}

std::string plain(const std::string &text, const std::string &fallback, size_t max) {
    std::string out;
    add_plain(out, text.c_str(), max);
    return out.empty() ? fallback : out;
}

std::string word(const std::string &text, const std::string &allowed, size_t max) {
    std::string out;
    for (char c : text.substr(0, max)) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        bool fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || allowed.find(c) != std::string::npos;
        out += fine ? c : '_';
    }
    return out.empty() ? "_" : out;
}

std::string distinct(const std::string &wanted, std::vector<std::string> &taken) {
    std::string name = wanted;
    for (int n = 2; std::find(taken.begin(), taken.end(), name) != taken.end(); n++)
        name = wanted + "_" + std::to_string(n);
    taken.push_back(name);
    return name;
}

std::string quoted(const std::string &text, size_t max) {
    std::string out = "\"";
    for (char c : plain(text, "", max)) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + "\"";
}

} // namespace bridge
