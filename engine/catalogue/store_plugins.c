/* Runs, plugins, incidents and strikes. */
#include "engine/catalogue/sql.h"
#include "engine/catalogue/store.h"
#include "engine/catalogue/summary.h"

#include <unistd.h>

/* ------------------------------------------------------------------------------------------------------------- runs */

bool store_run_begin(struct catalogue *catalogue, const struct store_run *about, int64_t *run, struct error *error) {
    return sql_number(catalogue, error, run,
                      "INSERT INTO runs (started, version, host, pid, command, sandbox) VALUES (?, ?, ?, ?, ?, ?)"
                      " RETURNING run_id",
                      "dttitt", sql_now(), about->version, about->host, (int64_t)getpid(), about->command,
                      about->sandbox ? about->sandbox : "{}");
}

bool store_run_end(struct catalogue *catalogue, int64_t run, const char *outcome, struct error *error) {
    return sql_run(catalogue, error, "UPDATE runs SET ended = ?, outcome = ? WHERE run_id = ?", "dti", sql_now(),
                   outcome, run);
}

bool store_pause(struct catalogue *catalogue, bool pause, struct error *error) {
    if (!pause) return sql_run(catalogue, error, "DELETE FROM engine_state WHERE name = 'paused'", "");
    return sql_run(catalogue, error,
                   "INSERT OR IGNORE INTO engine_state (name, value, since) VALUES ('paused', '1', ?)", "d", sql_now());
}

bool store_paused(struct catalogue *catalogue, bool *paused, struct error *error) {
    int64_t n = 0;
    bool fine = sql_number(catalogue, error, &n, "SELECT count(*) FROM engine_state WHERE name = 'paused'", "");
    *paused = n > 0;
    return fine;
}

bool store_profile(struct catalogue *catalogue, const char *profile, struct error *error) {
    return sql_run(catalogue, error,
                   "INSERT INTO engine_state (name, value, since) VALUES ('profile', ?, ?) ON CONFLICT (name)"
                   " DO UPDATE SET value = excluded.value, since = excluded.since WHERE value <> excluded.value",
                   "td", profile, sql_now());
}

/* ---------------------------------------------------------------------------------------------------------- plugins */

bool store_plugin(struct catalogue *catalogue, const struct store_plugin *plugin, struct error *error) {
    double now = sql_now();
    summary_rules_changed(catalogue);
    return sql_run(catalogue, error,
                   "INSERT INTO plugins (plugin, version, library, hash, descriptor, schema, bundled, enabled, state,"
                   " reason, first_seen, last_seen) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                   " ON CONFLICT (plugin) DO UPDATE SET version = excluded.version, library = excluded.library,"
                   " hash = excluded.hash, descriptor = excluded.descriptor, schema = excluded.schema,"
                   " bundled = excluded.bundled, enabled = excluded.enabled, state = excluded.state,"
                   " reason = excluded.reason, last_seen = excluded.last_seen",
                   "ttttttkkttdd", plugin->plugin, plugin->version, plugin->library, plugin->hash, plugin->descriptor,
                   plugin->schema, (int)plugin->bundled, (int)plugin->enabled, plugin->state, plugin->reason, now, now);
}

bool store_plugins_only(struct catalogue *catalogue, const char *const *plugins, size_t n, struct error *error) {
    summary_rules_changed(catalogue);
    if (!sql_run(catalogue, error, "CREATE TEMP TABLE IF NOT EXISTS named (plugin TEXT PRIMARY KEY)", "") ||
        !sql_run(catalogue, error, "DELETE FROM temp.named", ""))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!sql_run(catalogue, error, "INSERT OR IGNORE INTO temp.named VALUES (?)", "t", plugins[i])) return false;
    return sql_run(
        catalogue, error,
        "UPDATE plugins SET enabled = 0, reason = 'not found any more, or broken (sonde plugin list says which):"
        " its results stay' WHERE enabled AND plugin NOT IN (SELECT plugin FROM temp.named)",
        "");
}

bool store_plugin_state(struct catalogue *catalogue, const char *plugin, const char *state, const char *reason,
                        struct error *error) {
    return sql_run(catalogue, error, "UPDATE plugins SET state = ?, reason = ? WHERE plugin = ?", "ttt", state, reason,
                   plugin);
}

/* --------------------------------------------------------------------------------------------- incidents and strikes
 */

bool store_incident(struct catalogue *catalogue, const struct store_incident *incident, int64_t *id,
                    struct error *error) {
    double now = sql_now();
    /* The file's row may be gone: another file was moved to its path while a worker was busy with it. */
    if (!sql_number(catalogue, error, id,
                    "INSERT INTO incidents (run_id, time, kind, plugin, file_id, region_id, identity, reason, detail)"
                    " VALUES (?, ?, ?, ?, (SELECT file_id FROM files WHERE file_id = ?),"
                    " (SELECT region_id FROM regions WHERE region_id = ?), ?, ?, ?) RETURNING incident_id",
                    "odttoottt", incident->run, now, incident->kind, incident->plugin, incident->file, incident->region,
                    incident->identity, incident->reason, incident->detail))
        return false;
    return !incident->strike || !incident->identity ||
           sql_run(catalogue, error, "INSERT INTO strikes (identity, plugin, incident_id, time) VALUES (?, ?, ?, ?)",
                   "ttid", incident->identity, incident->plugin, *id, now);
}

bool store_strikes(struct catalogue *catalogue, const char *identity, int64_t *strikes, struct error *error) {
    *strikes = 0;
    return sql_number(catalogue, error, strikes, "SELECT count(*) FROM strikes WHERE identity = ?", "t", identity);
}

bool store_strikes_clear(struct catalogue *catalogue, const char *plugin, struct error *error) {
    return sql_run(catalogue, error, "DELETE FROM strikes WHERE ?1 IS NULL OR plugin = ?1", "t", plugin);
}

bool store_plugin_reset(struct catalogue *catalogue, const char *plugin, struct error *error) {
    return store_strikes_clear(catalogue, plugin, error) &&
           sql_run(catalogue, error,
                   "UPDATE plugins SET state = 'ready', reason = NULL WHERE plugin = ? AND state = 'open'", "t",
                   plugin);
}
