#include "engine/ipc/trials.h"

#include "engine/base/sanitizer.h"

#include <string.h>

const struct trial trials[] = {
    {"open", "read a file (/etc/passwd)", "EACCES"},
    {"stat", "look whether a file exists", "EACCES"},
    {"list", "list a folder", "EACCES"},
    {"write", "create a file", "violation"},
    {"unlink", "delete a file", "violation"},
    {"chmod", "change a file's mode", "violation"},
    {"truncate", "cut a file short", "violation"},
    {"connect", "connect to the network", "EPERM"},
    {"send", "send a datagram", "EPERM"},
    {"local", "connect to a local socket", "EPERM"},
    {"exec", "start a program", "violation"},
    {"fork", "start a process", "violation"},
    {"thread", "start a thread", "violation"},
    {"kill", "send the engine a signal", "violation"},
    {"killall", "send every process a signal", "violation"},
    {"owner", "have a signal sent through a descriptor", "violation"},
    {"ptrace", "be traced or trace", "violation"},
    {"peek", "read another process's memory", "violation"},
    {"execmem", "make executable memory", "violation"},
    {"protect", "make memory executable", "violation"},
    {"shared", "make shared memory", "violation"},
    {"memfd", "make a memory file", "violation"},
    {"growsdown", "make memory that no limit counts", "violation"},
#if !SANITIZED /* whose malloc does that */
    {"over", "make memory in the place of other, which no limit counts", "violation"},
#endif
    {"memory", "take more memory than allowed", "ENOMEM"},
    {"handler", "catch forbidden system calls itself", "violation"},
    {"orphan", "outlive the engine", "violation"},
    {"filter", "load a filter of its own", "violation"},
    {"limits", "raise its limits", "violation"},
    {"priority", "raise its priority", "violation"},
    {"mount", "mount a file system", "violation"},
    {"keyring", "use a keyring", "violation"},
    {"io_uring", "use io_uring", "violation"},
    {"bpf", "load a kernel program", "violation"},
    {"userfaultfd", "handle page faults", "violation"},
    {"foreign", "make system calls through another ABI", "violation"},
};
const size_t trial_count = sizeof trials / sizeof *trials;

const struct trial *trial_find(const char *name) {
    for (size_t i = 0; i < trial_count; i++)
        if (strcmp(trials[i].name, name) == 0) return &trials[i];
    return NULL;
}
