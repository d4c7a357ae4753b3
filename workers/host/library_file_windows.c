/* The loader of Windows. Texts are UTF-16 there. */
#include "workers/host/library_file.h"

#include <stdint.h>
#include <stdio.h>
#include <windows.h>

#define MAX_PATH_UNITS 4096

/* The system's words for its last error, without the line end that they come with. */
static void say_why(DWORD code, char *why, size_t room) {
    wchar_t text[400];
    DWORD n = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, code, 0, text,
                             sizeof text / sizeof *text, NULL);
    while (n > 0 && (text[n - 1] == L'\r' || text[n - 1] == L'\n' || text[n - 1] == L' ' || text[n - 1] == L'.')) n--;
    char utf8[1200];
    int bytes = n > 0 ? WideCharToMultiByte(CP_UTF8, 0, text, (int)n, utf8, sizeof utf8 - 1, NULL, NULL) : 0;
    utf8[bytes > 0 ? bytes : 0] = '\0';
    snprintf(why, room, "%s (error %lu)", bytes > 0 ? utf8 : "no reason given", (unsigned long)code);
}

/* No dialogue about a missing DLL may come up in a worker; other DLLs come from the library's own folder and the system's, never
 * from the current folder or PATH. */
void *library_file_open(const char *path, char *why, size_t room) {
    static const DWORD quiet = SEM_FAILCRITICALERRORS | SEM_NOOPENFILEERRORBOX;
    wchar_t wide[MAX_PATH_UNITS], whole[MAX_PATH_UNITS];
    if (MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, wide, MAX_PATH_UNITS) == 0) {
        say_why(GetLastError(), why, room);
        return NULL;
    }
    DWORD length = GetFullPathNameW(wide, MAX_PATH_UNITS, whole, NULL), before = 0;
    if (length == 0 || length >= MAX_PATH_UNITS) {
        say_why(length ? ERROR_FILENAME_EXCED_RANGE : GetLastError(), why, room);
        return NULL;
    }
    (void)SetThreadErrorMode(quiet, &before);
    HMODULE module = LoadLibraryExW(whole, NULL, LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_SYSTEM32);
    DWORD code = GetLastError();
    (void)SetThreadErrorMode(before, NULL);
    if (!module) say_why(code, why, room);
    if (module && room) why[0] = '\0';
    return module;
}

const void *library_file_symbol(void *file, const char *name) {
    return (const void *)(uintptr_t)GetProcAddress(file, name);
}

void library_file_close(void *file) {
    (void)FreeLibrary(file);
}
