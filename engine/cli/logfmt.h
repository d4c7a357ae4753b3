/* The log of a service: one line an event, "event=NAME key=value ...", on standard output. One thread. */
#ifndef SONDE_CLI_LOGFMT_H
#define SONDE_CLI_LOGFMT_H

/* Keys and values in turn until NULL; a NULL value leaves its key out. Values that need it are quoted; what would break the line
 * becomes a space. The values of `path`, `from` and `to` may be any bytes: they are printed as text, and where that doesn't tell
 * them, in hexadecimal digits behind it: path_hex=... */
void logfmt(const char *event, ...) __attribute__((sentinel));

/* Numbers as values: in a buffer of the caller's. */
struct logfmt_number {
    char text[32];
};
const char *logfmt_count(struct logfmt_number *buffer, unsigned long long count);
const char *logfmt_seconds(struct logfmt_number *buffer, double seconds);

/* What systemd wants to know (sd_notify(3)): one datagram to $NOTIFY_SOCKET, where there is one. */
void notify_systemd(const char *state);

/* s between two signs of life that its watchdog wants ($WATCHDOG_USEC), at most 5. */
double notify_interval(void);

#endif
