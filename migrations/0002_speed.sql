-- Version 2: ways to the answers of common questions at 100,000 files and 300,000 regions.

-- A file's audio without the way over its content. Kept by triggers, so that nobody has to think of it.
ALTER TABLE files ADD COLUMN file_audio_id INTEGER REFERENCES audio ON DELETE SET NULL;
UPDATE files SET file_audio_id = (SELECT c.audio_id FROM contents AS c WHERE c.content_id = files.content_id);
CREATE TRIGGER files_audio_inserted AFTER INSERT ON files WHEN NEW.content_id IS NOT NULL BEGIN
    UPDATE files SET file_audio_id = (SELECT c.audio_id FROM contents AS c WHERE c.content_id = NEW.content_id)
    WHERE file_id = NEW.file_id;
END;
CREATE TRIGGER files_audio_changed AFTER UPDATE OF content_id ON files WHEN NEW.content_id IS NOT OLD.content_id BEGIN
    UPDATE files SET file_audio_id = (SELECT c.audio_id FROM contents AS c WHERE c.content_id = NEW.content_id)
    WHERE file_id = NEW.file_id;
END;
CREATE TRIGGER contents_audio_changed AFTER UPDATE OF audio_id ON contents WHEN NEW.audio_id IS NOT OLD.audio_id BEGIN
    UPDATE files SET file_audio_id = NEW.audio_id WHERE content_id = NEW.content_id;
END;
CREATE INDEX files_audio ON files (file_audio_id, status, path_text);
CREATE INDEX files_name ON files (name);
CREATE INDEX files_modified ON files (mtime_ns);

DROP INDEX tags_name;
CREATE INDEX tags_name ON tags (name, automatic, audio_id);
DROP INDEX audio_summary_label;
CREATE INDEX audio_summary_label ON audio_summary (label, duration);
CREATE INDEX audio_summary_confidence ON audio_summary (bpm_confidence);
CREATE INDEX region_summary_confidence ON region_summary (bpm_confidence);
CREATE INDEX region_summary_loudness ON region_summary (loudness);
CREATE INDEX regions_history ON regions (audio_id) WHERE NOT current;
CREATE INDEX region_analysis_history ON region_analysis (region_id) WHERE NOT current;

-- Embeddings for similarity search: the exact ones by region, and short ones in pages, to look through all of them quickly.
CREATE TABLE new_region_vectors (
    region_id INTEGER PRIMARY KEY REFERENCES regions ON DELETE CASCADE,
    plugin    TEXT NOT NULL, -- which made it
    model     TEXT NOT NULL, -- only vectors of one model can be compared
    data      BLOB NOT NULL  -- of length 1, float32, little-endian
) STRICT;
INSERT INTO new_region_vectors
    SELECT v.region_id, v.plugin, v.model, sonde_vector(json_extract(x.result, '$.embedding'))
    FROM region_vectors AS v JOIN region_analysis AS x ON x.region_id = v.region_id AND x.plugin = v.plugin AND x.current
    WHERE sonde_vector(json_extract(x.result, '$.embedding')) IS NOT NULL;
DROP TABLE region_vectors;
ALTER TABLE new_region_vectors RENAME TO region_vectors;

CREATE TABLE new_audio_vectors (
    audio_id  INTEGER PRIMARY KEY REFERENCES audio ON DELETE CASCADE,
    region_id INTEGER NOT NULL REFERENCES regions ON DELETE CASCADE -- the longest, whose vector this is
) STRICT;
INSERT INTO new_audio_vectors
    SELECT audio_id, region_id FROM audio_vectors WHERE region_id IN (SELECT region_id FROM region_vectors);
DROP TABLE audio_vectors;
ALTER TABLE new_audio_vectors RENAME TO audio_vectors;
CREATE INDEX audio_vectors_region ON audio_vectors (region_id);

CREATE TABLE vector_pages (
    page_id    INTEGER PRIMARY KEY,
    kind       TEXT NOT NULL CHECK (kind IN ('audio', 'region')),
    model      TEXT NOT NULL,
    number     INTEGER NOT NULL, -- holds the ids from 256 * number on
    dimensions INTEGER NOT NULL,
    data       BLOB NOT NULL, -- 256 times: scale and error (float32), then int8 values; scale 0: none
    UNIQUE (kind, model, number, dimensions)
) STRICT;
INSERT INTO vector_pages (kind, model, number, dimensions, data)
    SELECT 'region', model, region_id / 256, length(data) / 4, sonde_page(region_id % 256, data)
    FROM region_vectors GROUP BY model, region_id / 256, length(data);
INSERT INTO vector_pages (kind, model, number, dimensions, data)
    SELECT 'audio', v.model, a.audio_id / 256, length(v.data) / 4, sonde_page(a.audio_id % 256, v.data)
    FROM audio_vectors AS a JOIN region_vectors AS v USING (region_id)
    GROUP BY v.model, a.audio_id / 256, length(v.data);

-- Views by the short way. Columns that come from a table of their own (contents, audio) cost nothing when nobody asks for
-- them.
DROP VIEW file_summary;
CREATE VIEW file_summary AS
    SELECT f.file_id, s.* FROM files AS f JOIN audio_summary AS s ON s.audio_id = f.file_audio_id;

DROP VIEW sounds;
CREATE VIEW sounds AS
    SELECT f.file_id, f.path_text AS path, f.name, f.status, f.status_reason, a.duration, s.regions,
           s.bpm, s.bpm_confidence, s.bpm_source, s.key, s.key_confidence, s.key_source,
           s.label, s.label_confidence, s.label_source, s.content, s.loudness,
           (SELECT group_concat(DISTINCT t.name) FROM tags AS t WHERE t.audio_id = f.file_audio_id) AS tags,
           c.container, c.codec, a.rate, a.channels, c.bit_depth, c.title, c.artist, c.album, f.size,
           datetime(f.mtime_ns / 1000000000, 'unixepoch') AS modified, datetime(f.added, 'unixepoch') AS added,
           datetime(f.finished, 'unixepoch') AS analysed, s.summary, f.file_audio_id AS audio_id
    FROM files AS f LEFT JOIN audio_summary AS s ON s.audio_id = f.file_audio_id
         LEFT JOIN audio AS a ON a.audio_id = f.file_audio_id LEFT JOIN contents AS c ON c.content_id = f.content_id;

DROP VIEW region_results;
CREATE VIEW region_results AS
    SELECT f.file_id, f.path_text AS path, f.name, r.region_id, r.position AS region, r.start, r.end, x.plugin,
           x.plugin_version, x.outcome, x.reason, x.result, x.cpu, x.wall, x.peak_bytes,
           datetime(x.created, 'unixepoch') AS analysed
    FROM files AS f JOIN regions AS r ON r.audio_id = f.file_audio_id JOIN region_analysis AS x USING (region_id)
    WHERE r.current AND x.current;

DROP VIEW problems;
CREATE VIEW problems AS
    SELECT f.file_id, f.path_text AS path, NULL AS region, NULL AS plugin, f.status AS outcome, f.status_reason AS reason
    FROM files AS f WHERE f.status IN ('failed', 'missing')
    UNION ALL
    SELECT f.file_id, f.path_text, r.position, x.plugin, x.outcome, x.reason
    FROM region_analysis AS x CROSS JOIN regions AS r USING (region_id) CROSS JOIN files AS f ON f.file_audio_id = r.audio_id
    WHERE x.current AND x.outcome NOT IN ('ok', 'empty', 'unsupported') AND r.current;

DROP VIEW sound_regions;
CREATE VIEW sound_regions AS
    SELECT f.file_id, f.path_text AS path, r.region_id, r.position AS region, r.start, r.end, r.duration, s.bpm,
           s.bpm_confidence, s.bpm_source, s.key, s.key_confidence, s.key_source, s.label, s.label_confidence,
           s.label_source, s.content, s.loudness, r.sound_start, r.sound_end, r.part, r.parts, s.summary, r.audio_id
    FROM files AS f JOIN regions AS r ON r.audio_id = f.file_audio_id LEFT JOIN region_summary AS s USING (region_id)
    WHERE r.current;

DROP VIEW sound_tags;
CREATE VIEW sound_tags AS
    SELECT f.file_id, f.path_text AS path, r.position AS region, t.name AS tag, t.source, t.automatic, t.confidence,
           t.start_frame IS NOT NULL AND t.region_id IS NULL AS unanchored
    FROM files AS f JOIN tags AS t ON t.audio_id = f.file_audio_id LEFT JOIN regions AS r USING (region_id);

DROP VIEW history;
CREATE VIEW history AS
    SELECT f.file_id, f.path_text AS path, r.position AS region, r.start, r.end, x.plugin, x.plugin_version, x.outcome,
           x.reason, x.result, datetime(x.created, 'unixepoch') AS analysed, x.identity
    FROM (SELECT analysis_id FROM region_analysis WHERE NOT current
          UNION
          SELECT analysis_id FROM region_analysis WHERE region_id IN (SELECT region_id FROM regions WHERE NOT current)) AS old
         CROSS JOIN region_analysis AS x USING (analysis_id) CROSS JOIN regions AS r USING (region_id)
         CROSS JOIN files AS f ON f.file_audio_id = r.audio_id;

-- What SQLite's planner shall believe: the shape of a large catalogue, so that plans stay the same while one grows. (Small ones
-- are fast whatever the plan.)
ANALYZE;
DELETE FROM sqlite_stat1;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('files', 'sqlite_autoindex_files_1', '100000 1'), ('files', 'files_text', '100000 1'),
    ('files', 'files_audio', '100000 2 2 1'), ('files', 'files_name', '100000 2'), ('files', 'files_added', '100000 2'),
    ('files', 'files_modified', '100000 2'),
    ('files', 'files_inode', '100000 2 1'), ('files', 'files_status', '100000 5000'), ('files', 'files_content', '100000 2'),
    ('contents', 'sqlite_autoindex_contents_1', '95000 1'), ('contents', 'contents_audio', '95000 2'),
    ('audio', 'sqlite_autoindex_audio_1', '90000 1 1 1'),
    ('regions', 'sqlite_autoindex_regions_1', '300000 3 1 1'), ('regions', 'regions_current', '300000 3 1'),
    ('regions', 'regions_history', '3000 4'),
    ('region_analysis', 'sqlite_autoindex_region_analysis_1', '1500000 6 2 1'),
    ('region_analysis', 'region_analysis_current', '1500000 6 1'),
    ('region_analysis', 'region_analysis_outcome', '1500000 300000 30000'),
    ('region_analysis', 'region_analysis_problem', '5000 500 2'),
    ('region_analysis', 'region_analysis_identity', '1500000 2'),
    ('region_analysis', 'region_analysis_history', '10000 6'),
    ('audio_summary', 'audio_summary_bpm', '100000 8'), ('audio_summary', 'audio_summary_key', '100000 3500 2'),
    ('audio_summary', 'audio_summary_label', '100000 1000 2'), ('audio_summary', 'audio_summary_duration', '100000 4'),
    ('audio_summary', 'audio_summary_loudness', '100000 2'),
    ('region_summary', 'region_summary_bpm', '300000 20'), ('region_summary', 'region_summary_key', '300000 12000 3'),
    ('region_summary', 'region_summary_label', '300000 3000'), ('region_summary', 'region_summary_content', '300000 30000'),
    ('region_summary', 'region_summary_duration', '300000 10'),
    ('region_summary', 'region_summary_loudness', '300000 4'), ('region_summary', 'region_summary_confidence', '300000 300'),
    ('audio_summary', 'audio_summary_confidence', '100000 100'),
    ('tags', 'tags_once', '300000 4 1 1 1 1'), ('tags', 'tags_name', '300000 3000 3000 1'),
    ('audio_vectors', 'audio_vectors_region', '100000 1'),
    ('edits', 'edits_field', '1000 2 2 2 1');
