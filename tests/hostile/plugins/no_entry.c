/* Has no entry.
 * expect: refused sonde_entry
 * check: file.entry */
int nothing_of_interest(void);
int nothing_of_interest(void) {
    return 0;
}
