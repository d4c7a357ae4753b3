#include "engine/ipc/trials.h"

#include "engine/base/sanitizer.h"

#include <signal.h>

const struct trial trials[] = {
    {"open", "read a file (/etc/passwd)", "EACCES", 0},
    {"stat", "look whether a file exists", "EACCES", 0},
    {"list", "list a folder", "EACCES", 0},
    {"write", "create a file", "violation", 0},
    {"unlink", "delete a file", "violation", 0},
    {"chmod", "change a file's mode", "violation", 0},
    {"truncate", "cut a file short", "violation", 0},
    {"connect", "connect to the network", "EPERM", 0},
    {"send", "send a datagram", "EPERM", 0},
    {"local", "connect to a local socket", "EPERM", 0},
    {"exec", "start a program", "violation", 0},
    {"fork", "start a process", "violation", 0},
    {"thread", "start a thread", "violation", 0},
    {"kill", "send the engine a signal", "violation", 0},
    {"killall", "send every process a signal", "violation", 0},
    {"owner", "have a signal sent through a descriptor", "violation", 0},
    {"ptrace", "be traced or trace", "violation", 0},
    {"peek", "read another process's memory", "violation", 0},
    {"execmem", "make executable memory", "violation", 0},
    {"protect", "make memory executable", "violation", 0},
    {"shared", "make shared memory", "violation", 0},
    {"memfd", "make a memory file", "violation", 0},
    {"growsdown", "make memory that no limit counts", "violation", 0},
#if !SANITIZED /* whose malloc does that */
    {"over", "make memory in the place of other, which no limit counts", "violation", 0},
#endif
    {"memory", "take more memory than allowed", "ENOMEM", 0},
    {"handler", "catch forbidden system calls itself", "violation", 0},
    {"orphan", "outlive the engine", "violation", 0},
    {"filter", "load a filter of its own", "violation", 0},
    {"limits", "raise its limits", "violation", 0},
    {"priority", "raise its priority", "violation", 0},
    {"mount", "mount a file system", "violation", 0},
    {"keyring", "use a keyring", "violation", 0},
    {"io_uring", "use io_uring", "violation", 0},
    {"bpf", "load a kernel program", "violation", 0},
    {"userfaultfd", "handle page faults", "violation", 0},
    {"foreign", "make system calls through another ABI", "violation", SIGSEGV}, /* no 32-bit gate */
};
const size_t trial_count = sizeof trials / sizeof *trials;
