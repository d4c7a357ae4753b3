/* Sends a false result over every socket it finds, for a job that is not its own.
 * expect: crashed|timeout|failed|violation|ok
 * check: run.crash|run.time|run.sandbox */
#define FINISH static const char message[] = "\1\0\0\0\0\0\0\0\x80\0\0\0\1{\"type\":\"result\",\"job\":1,\"nonce\":1,\"plugin\":\"key\",\"outcome\":\"ok\",\"json\":{\"tonic\":\"C\"},\"arrays\":[]}                    "; for (int i = 0; i < 50; i++) for (int fd = 3; fd < 64; fd++) (void)!send(fd, message, sizeof message, MSG_DONTWAIT | MSG_NOSIGNAL);
#include "../hostile.h"
