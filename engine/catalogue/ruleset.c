#include "engine/catalogue/ruleset.h"

#include "engine/catalogue/sql.h"

#include <stdlib.h>

static bool add_plugin(struct ruleset *ruleset, sqlite3_stmt *from, struct error *error) {
    const char *text = (const char *)sqlite3_column_text(from, 1);
    struct schema *schema = text ? schema_compile(text, (size_t)sqlite3_column_bytes(from, 1), NULL) : NULL;
    if (!schema) return true;
    struct ruleset_plugin *grown = realloc(ruleset->plugins, (ruleset->n + 1) * sizeof *grown);
    if (grown) ruleset->plugins = grown;
    char *plugin = NULL;
    if (!grown || !sql_copy(from, 0, &plugin, error)) {
        schema_free(schema);
        return error_memory(error);
    }
    ruleset->plugins[ruleset->n++] = (struct ruleset_plugin){plugin, schema};
    return true;
}

struct ruleset *ruleset_load(struct catalogue *catalogue, struct error *error) {
    struct ruleset *ruleset = calloc(1, sizeof *ruleset);
    if (!ruleset) return error_memory(error), NULL;
    sqlite3_stmt *from = sql_bind(catalogue, error,
                                  "SELECT plugin, schema FROM plugins WHERE enabled AND schema IS NOT NULL"
                                  " ORDER BY bundled DESC, plugin",
                                  "");
    bool fine = from != NULL, row = fine;
    while (fine && row) {
        fine = sql_step(catalogue, from, &row, error);
        if (fine && row) fine = add_plugin(ruleset, from, error);
    }
    if (from) (void)sqlite3_reset(from);
    if (fine) return ruleset;
    ruleset_free(ruleset);
    return NULL;
}

void ruleset_free(struct ruleset *ruleset) {
    if (!ruleset) return;
    for (size_t i = 0; i < ruleset->n; i++) {
        free(ruleset->plugins[i].plugin);
        schema_free(ruleset->plugins[i].schema);
    }
    free(ruleset->plugins);
    free(ruleset);
}
