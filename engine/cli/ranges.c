#include "engine/cli/ranges.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A point, which may itself be a stretch of time (a day): low and high of it. False when it isn't one. */
typedef bool (*point_parser)(const char *text, double *low, double *high);

static bool parse_number(const char *text, double *low, double *high) {
    char *end = NULL;
    *low = *high = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*low);
}

static bool parse_duration(const char *text, double *low, double *high) {
    double total = 0;
    for (int i = 0; i < 3; i++) {
        char *end = NULL;
        double part = strtod(text, &end);
        if (end == text || !isfinite(part) || part < 0) return false;
        total = total * 60 + part;
        double unit = strcmp(end, "h") == 0 ? 3600 : strcmp(end, "m") == 0 || strcmp(end, "min") == 0 ? 60 : 1;
        bool last = *end == '\0' || unit > 1 || strcmp(end, "s") == 0;
        *low = *high = total * (i == 0 ? unit : 1);
        if (last) return true;
        if (*end != ':') return false;
        text = end + 1;
    }
    return false;
}

static double local_time(int year, int month, int day) {
    struct tm when = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_isdst = -1};
    return (double)mktime(&when);
}

/* No 30th of February: mktime would make a day of March of it. */
static bool is_day(int year, int month, int day) {
    struct tm when = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_hour = 12, .tm_isdst = -1};
    return day >= 1 && mktime(&when) != -1 && when.tm_mday == day;
}

static bool parse_date(const char *text, double *low, double *high) {
    int year = 0, month = 0, day = 0, used = 0;
    time_t now = time(NULL);
    struct tm today;
    if (!localtime_r(&now, &today)) return false;
    if (strcmp(text, "today") == 0) {
        *low = local_time(today.tm_year + 1900, today.tm_mon + 1, today.tm_mday);
        *high = (double)now;
        return true;
    }
    if (sscanf(text, "%5d%n", &day, &used) == 1 && strcmp(text + used, "d") == 0 && day >= 0) {
        *low = *high = (double)now - day * 86400.0;
        return true;
    }
    int n = sscanf(text, "%4d%n-%2d%n-%2d%n", &year, &used, &month, &used, &day, &used);
    if (n < 1 || text[used] != '\0' || text[strspn(text, "0123456789-")] != '\0') return false;
    if (year < 1970 || (n > 1 && (month < 1 || month > 12)) || (n > 2 && !is_day(year, month, day))) return false;
    *low = local_time(year, n > 1 ? month : 1, n > 2 ? day : 1);
    *high = local_time(n > 1 ? year : year + 1, n > 2 ? month : n > 1 ? month + 1 : 1, n > 2 ? day + 1 : 1) - 0.001;
    return true;
}

/* Where the range is divided: at "..", else at the first "-" that isn't part of a date, nor the sign of a level. */
static const char *divider(const char *text, enum range_kind kind, size_t *n) {
    const char *dots = strstr(text, "..");
    *n = 2;
    if (dots || kind == RANGE_DATE) return dots;
    *n = 1;
    return strchr(text + (kind == RANGE_LEVEL && text[0] != '\0'), '-');
}

static bool parse_part(const char *text, size_t n, point_parser parse, double *low, double *high) {
    char part[64];
    if (n >= sizeof part) return false;
    memcpy(part, text, n);
    part[n] = '\0';
    return parse(part, low, high);
}

bool range_parse(const char *text, enum range_kind kind, double tolerance, struct query_range *range,
                 struct error *error) {
    static const point_parser parsers[] = {parse_number, parse_duration, parse_date, parse_number};
    static const char *const examples[] = {"118-122, 120, 90- or ..100", "1-10, 90s, 1:30-2:00 or 10m-",
                                           "2024-05-01, 2024-01..2024-06 or 7d..", "-20..-10, -14, -14.. or ..-30"};
    size_t n = 0;
    double low = NAN, high = NAN, unused;
    const char *cut = divider(text, kind, &n);
    bool fine;
    if (!cut) {
        fine = parsers[kind](text, &low, &high);
        low -= fabs(low) * tolerance;
        high += fabs(high) * tolerance;
    } else {
        bool has_low = cut != text, has_high = cut[n] != '\0';
        fine = (has_low || has_high) &&
               (!has_low || parse_part(text, (size_t)(cut - text), parsers[kind], &low, &unused)) &&
               (!has_high || parse_part(cut + n, strlen(cut + n), parsers[kind], &unused, &high));
    }
    if (!fine) return error_set(error, "%s: should be like %s", text, examples[kind]);
    if (low > high) return error_set(error, "%s: the first value is larger than the second", text);
    *range = (struct query_range){low, high};
    return true;
}
