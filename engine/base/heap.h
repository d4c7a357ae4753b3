/* How malloc is to behave in a process that lives for days and sees large and small by turns: the engine, and each worker. */
#ifndef SONDE_BASE_HEAP_H
#define SONDE_BASE_HEAP_H

/* Makes memory that was freed go back to the system. Once, at the start of main, while there is one thread. */
void heap_configure(void);

#endif
