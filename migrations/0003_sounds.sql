-- Version 3: what is most asked of a sound stands in its files' rows, so that questions to the view `sounds` find an index
-- however they are put; what plugins cost is summed as it comes; an engine's pause outlasts it.

-- Kept by triggers, so that nobody has to think of it.
ALTER TABLE audio_summary ADD COLUMN centroid REAL GENERATED ALWAYS AS (json_extract(summary, '$.centroid')) VIRTUAL; -- Hz
ALTER TABLE files ADD COLUMN duration REAL; -- s
ALTER TABLE files ADD COLUMN regions INTEGER; -- NULL: there is no summary yet
ALTER TABLE files ADD COLUMN bpm REAL;
ALTER TABLE files ADD COLUMN bpm_confidence REAL;
ALTER TABLE files ADD COLUMN key TEXT COLLATE NOCASE;
ALTER TABLE files ADD COLUMN label TEXT COLLATE NOCASE;
ALTER TABLE files ADD COLUMN content TEXT COLLATE NOCASE;
ALTER TABLE files ADD COLUMN loudness REAL; -- LUFS
ALTER TABLE files ADD COLUMN centroid REAL; -- Hz
UPDATE files SET (duration, regions, bpm, bpm_confidence, key, label, content, loudness, centroid) =
    (SELECT a.duration, s.regions, s.bpm, s.bpm_confidence, s.key, s.label, s.content, s.loudness, s.centroid
     FROM audio AS a LEFT JOIN audio_summary AS s USING (audio_id) WHERE a.audio_id = files.file_audio_id)
WHERE file_audio_id IS NOT NULL;
CREATE TRIGGER files_values_changed AFTER UPDATE OF file_audio_id ON files WHEN NEW.file_audio_id IS NOT OLD.file_audio_id
BEGIN
    UPDATE files SET (duration, regions, bpm, bpm_confidence, key, label, content, loudness, centroid) =
        (SELECT a.duration, s.regions, s.bpm, s.bpm_confidence, s.key, s.label, s.content, s.loudness, s.centroid
         FROM audio AS a LEFT JOIN audio_summary AS s USING (audio_id) WHERE a.audio_id = NEW.file_audio_id)
    WHERE file_id = NEW.file_id;
END;
CREATE TRIGGER audio_summary_inserted AFTER INSERT ON audio_summary BEGIN
    UPDATE files SET regions = NEW.regions, bpm = NEW.bpm, bpm_confidence = NEW.bpm_confidence, key = NEW.key, label = NEW.label,
        content = NEW.content, loudness = NEW.loudness, centroid = NEW.centroid
    WHERE file_audio_id = NEW.audio_id;
END;
CREATE TRIGGER audio_summary_changed AFTER UPDATE ON audio_summary BEGIN
    UPDATE files SET regions = NEW.regions, bpm = NEW.bpm, bpm_confidence = NEW.bpm_confidence, key = NEW.key, label = NEW.label,
        content = NEW.content, loudness = NEW.loudness, centroid = NEW.centroid
    WHERE file_audio_id = NEW.audio_id;
END;
CREATE TRIGGER audio_summary_deleted AFTER DELETE ON audio_summary BEGIN
    UPDATE files SET regions = NULL, bpm = NULL, bpm_confidence = NULL, key = NULL, label = NULL, content = NULL, loudness = NULL,
        centroid = NULL
    WHERE file_audio_id = OLD.audio_id;
END;
CREATE INDEX files_bpm ON files (bpm);
CREATE INDEX files_tempo ON files (round(bpm, 1), bpm); -- for counting tempi
CREATE INDEX files_confidence ON files (bpm_confidence);
CREATE INDEX files_key ON files (key, bpm);
CREATE INDEX files_label ON files (label, duration);
CREATE INDEX files_duration ON files (duration);
CREATE INDEX files_loudness ON files (loudness);
CREATE INDEX files_centroid ON files (centroid);
DROP INDEX audio_summary_confidence;
DROP INDEX audio_summary_key;
DROP INDEX audio_summary_duration;
DROP INDEX audio_summary_loudness;

-- What plugins have cost, over all results that are kept. Triggers add to it; who deletes many results counts anew.
CREATE TABLE plugin_costs (
    plugin     TEXT PRIMARY KEY,
    results    INTEGER NOT NULL,
    audio      REAL NOT NULL, -- s of sound that was analysed
    cpu        REAL NOT NULL, -- s
    wall       REAL NOT NULL, -- s
    peak_bytes INTEGER        -- of one analysis
) STRICT, WITHOUT ROWID;
CREATE TRIGGER plugin_costs_added AFTER INSERT ON region_analysis WHEN NEW.cpu IS NOT NULL BEGIN
    INSERT INTO plugin_costs SELECT NEW.plugin, 0, 0, 0, 0, NULL
    WHERE NOT EXISTS (SELECT 1 FROM plugin_costs WHERE plugin = NEW.plugin); -- OR IGNORE would be the statement's to decide
    UPDATE plugin_costs SET results = results + 1, cpu = cpu + NEW.cpu, wall = wall + ifnull(NEW.wall, 0),
        audio = audio + ifnull((SELECT duration FROM regions WHERE region_id = NEW.region_id), 0),
        peak_bytes = max(ifnull(peak_bytes, NEW.peak_bytes), ifnull(NEW.peak_bytes, peak_bytes))
    WHERE plugin = NEW.plugin;
END;
CREATE TRIGGER plugin_costs_changed AFTER UPDATE OF cpu ON region_analysis WHEN NEW.cpu IS NOT OLD.cpu BEGIN
    INSERT INTO plugin_costs SELECT NEW.plugin, 0, 0, 0, 0, NULL
    WHERE NOT EXISTS (SELECT 1 FROM plugin_costs WHERE plugin = NEW.plugin); -- OR IGNORE would be the statement's to decide
    UPDATE plugin_costs SET results = results + (NEW.cpu IS NOT NULL) - (OLD.cpu IS NOT NULL),
        cpu = cpu + ifnull(NEW.cpu, 0) - ifnull(OLD.cpu, 0),
        wall = wall + iif(NEW.cpu IS NULL, 0, ifnull(NEW.wall, 0)) - iif(OLD.cpu IS NULL, 0, ifnull(OLD.wall, 0)),
        audio = audio + ((NEW.cpu IS NOT NULL) - (OLD.cpu IS NOT NULL)) *
            ifnull((SELECT duration FROM regions WHERE region_id = NEW.region_id), 0),
        peak_bytes = max(ifnull(peak_bytes, NEW.peak_bytes), ifnull(NEW.peak_bytes, peak_bytes))
    WHERE plugin = NEW.plugin;
END;
CREATE VIEW plugin_costs_counted AS
    SELECT x.plugin, count(*) AS results, sum(r.duration) AS audio, sum(x.cpu) AS cpu, sum(ifnull(x.wall, 0)) AS wall,
           max(x.peak_bytes) AS peak_bytes
    FROM region_analysis AS x JOIN regions AS r USING (region_id) WHERE x.cpu IS NOT NULL GROUP BY x.plugin;
INSERT INTO plugin_costs SELECT * FROM plugin_costs_counted;

-- What outlasts the engine.
CREATE TABLE engine_state (
    name  TEXT PRIMARY KEY, -- 'paused': nothing new is begun until `sonde resume`
    value TEXT NOT NULL,
    since REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- One table, and the rest only where somebody asks for it.
DROP VIEW sounds;
CREATE VIEW sounds AS
    SELECT f.file_id, f.path_text AS path, f.name, f.status, f.status_reason, f.duration, f.regions, f.bpm, f.bpm_confidence,
           (SELECT s.bpm_source FROM audio_summary AS s WHERE s.audio_id = f.file_audio_id) AS bpm_source,
           f.key, (SELECT s.key_confidence FROM audio_summary AS s WHERE s.audio_id = f.file_audio_id) AS key_confidence,
           (SELECT s.key_source FROM audio_summary AS s WHERE s.audio_id = f.file_audio_id) AS key_source,
           f.label,
           (SELECT s.label_confidence FROM audio_summary AS s WHERE s.audio_id = f.file_audio_id) AS label_confidence,
           (SELECT s.label_source FROM audio_summary AS s WHERE s.audio_id = f.file_audio_id) AS label_source,
           f.content, f.loudness, f.centroid,
           (SELECT group_concat(DISTINCT t.name) FROM tags AS t WHERE t.audio_id = f.file_audio_id) AS tags,
           (SELECT c.container FROM contents AS c WHERE c.content_id = f.content_id) AS container,
           (SELECT c.codec FROM contents AS c WHERE c.content_id = f.content_id) AS codec,
           (SELECT a.rate FROM audio AS a WHERE a.audio_id = f.file_audio_id) AS rate,
           (SELECT a.channels FROM audio AS a WHERE a.audio_id = f.file_audio_id) AS channels,
           (SELECT c.bit_depth FROM contents AS c WHERE c.content_id = f.content_id) AS bit_depth,
           (SELECT c.title FROM contents AS c WHERE c.content_id = f.content_id) AS title,
           (SELECT c.artist FROM contents AS c WHERE c.content_id = f.content_id) AS artist,
           (SELECT c.album FROM contents AS c WHERE c.content_id = f.content_id) AS album,
           f.size, datetime(f.mtime_ns / 1000000000, 'unixepoch') AS modified,
           datetime(f.added, 'unixepoch') AS added, datetime(f.finished, 'unixepoch') AS analysed,
           (SELECT s.summary FROM audio_summary AS s WHERE s.audio_id = f.file_audio_id) AS summary,
           f.file_audio_id AS audio_id
    FROM files AS f;

DROP VIEW file_summary;
CREATE VIEW file_summary AS
    SELECT f.file_id, f.file_audio_id AS audio_id, f.bpm, f.bpm_confidence, s.bpm_source, f.key, s.key_confidence, s.key_source,
           f.label, s.label_confidence, s.label_source, f.duration, f.regions, s.summary, f.content, f.loudness, f.centroid,
           s.updated
    FROM files AS f JOIN audio_summary AS s ON s.audio_id = f.file_audio_id;

CREATE VIEW duplicates AS
    SELECT d.audio_id, d.places,
           (SELECT group_concat(p.path_text, '; ') FROM (SELECT f.path_text FROM files AS f
            WHERE f.file_audio_id = d.audio_id AND f.status <> 'missing' ORDER BY f.path_text) AS p) AS paths
    FROM (SELECT file_audio_id AS audio_id, count(*) AS places FROM files
          WHERE file_audio_id IS NOT NULL AND status <> 'missing' GROUP BY file_audio_id HAVING count(*) > 1) AS d;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('files', 'files_bpm', '100000 8'), ('files', 'files_tempo', '100000 50 8'), ('files', 'files_confidence', '100000 100'),
    ('files', 'files_key', '100000 3500 2'), ('files', 'files_label', '100000 1000 2'),
    ('files', 'files_duration', '100000 4'), ('files', 'files_loudness', '100000 2'), ('files', 'files_centroid', '100000 2');
DELETE FROM sqlite_stat1 WHERE idx IN ('audio_summary_confidence', 'audio_summary_key', 'audio_summary_duration',
                                       'audio_summary_loudness');
