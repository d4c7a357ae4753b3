#include "engine/catalogue/search.h"

#include "engine/catalogue/sql.h"

bool search_update_file(struct catalogue *catalogue, int64_t file, struct error *error) {
    return sql_run(catalogue, error,
                   "INSERT OR REPLACE INTO search (rowid, path, tags, labels, metadata) SELECT f.file_id, f.path_text,"
                   " (SELECT group_concat(name, ' ') FROM (SELECT name FROM tags WHERE audio_id = c.audio_id"
                   " AND NOT automatic ORDER BY name)),"
                   " (SELECT group_concat(name, ' ') FROM (SELECT name FROM tags WHERE audio_id = c.audio_id"
                   " AND automatic ORDER BY name)),"
                   " ifnull(c.title, '') || ' ' || ifnull(c.artist, '') || ' ' || ifnull(c.album, '') || ' ' ||"
                   " ifnull(c.comment, '') FROM files AS f LEFT JOIN contents AS c USING (content_id)"
                   " WHERE f.file_id = ?",
                   "i", file);
}

bool search_update_audio(struct catalogue *catalogue, int64_t audio, struct error *error) {
    int64_t file = 0;
    while (true) {
        int64_t next = 0;
        if (!sql_number(catalogue, error, &next,
                        "SELECT min(f.file_id) FROM contents AS c JOIN files AS f USING (content_id)"
                        " WHERE c.audio_id = ? AND f.file_id > ?",
                        "ii", audio, file))
            return false;
        if (next == 0) return true;
        if (!search_update_file(catalogue, next, error)) return false;
        file = next;
    }
}
