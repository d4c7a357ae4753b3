/* Writes another name into the note, then dies.
 * expect: crashed|violation SIGSEGV|forbidden
 * check: run.sandbox|run.crash */
#define PROCESS char name[4096]; memset(name, 0x41, sizeof name); void *note = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 4, 0); if (note != MAP_FAILED) memcpy(note, name, sizeof name); signal(SIGXFSZ, SIG_IGN); (void)!pwrite(4, name, sizeof name, 0); *hostile_null = 1;
#include "../hostile.h"
