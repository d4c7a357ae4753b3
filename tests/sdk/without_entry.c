/* A library like any other, and no plugin. */
__attribute__((visibility("default"))) int nothing(void);

int nothing(void) {
    return 0;
}
