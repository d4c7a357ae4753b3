-- Version 5: what is asked of sounds and regions stands in the rows of their summaries, before the long text. The indexes of regions hold
-- all that questions ask for: also whose a region is, and where it begins. Only current regions have a summary. (What a plugin calls
-- `lufs` or `content` may be of another kind than the column; a column from the text, as before, made the trigger on it fail.)
PRAGMA legacy_alter_table = ON; -- views and triggers name the tables as they are called in the end

CREATE TABLE new_region_summary (
    region_id        INTEGER PRIMARY KEY REFERENCES regions ON DELETE CASCADE,
    audio_id         INTEGER NOT NULL, -- as in regions
    start_frame      INTEGER NOT NULL,
    bpm              REAL,
    bpm_confidence   REAL,
    bpm_source       TEXT CHECK (bpm_source IN ('plugin', 'user')),
    key              TEXT COLLATE NOCASE, -- "A minor"
    key_confidence   REAL,
    key_source       TEXT CHECK (key_source IN ('plugin', 'user')),
    label            TEXT COLLATE NOCASE,
    label_confidence REAL,
    label_source     TEXT CHECK (label_source IN ('plugin', 'user')),
    duration         REAL NOT NULL, -- s
    content          TEXT COLLATE NOCASE,
    loudness         REAL, -- LUFS
    summary          TEXT NOT NULL CHECK (json_valid(summary))
) STRICT;
INSERT INTO new_region_summary
    SELECT s.region_id, r.audio_id, r.start_frame, s.bpm, s.bpm_confidence, s.bpm_source, s.key, s.key_confidence, s.key_source,
           s.label, s.label_confidence, s.label_source, s.duration, iif(json_type(s.summary, '$.content') = 'text', s.content, NULL),
           iif(json_type(s.summary, '$.lufs') IN ('real', 'integer'), s.loudness, NULL), s.summary
    FROM region_summary AS s JOIN regions AS r USING (region_id) WHERE r.current;
DROP TABLE region_summary;
ALTER TABLE new_region_summary RENAME TO region_summary;
CREATE INDEX region_summary_bpm ON region_summary (bpm, audio_id, start_frame);
CREATE INDEX region_summary_key ON region_summary (key, bpm, audio_id, start_frame);
CREATE INDEX region_summary_label ON region_summary (label, audio_id, start_frame);
CREATE INDEX region_summary_content ON region_summary (content, label, audio_id, start_frame);
CREATE INDEX region_summary_duration ON region_summary (duration, audio_id, start_frame);
CREATE INDEX region_summary_loudness ON region_summary (loudness, audio_id, start_frame);
CREATE INDEX region_summary_confidence ON region_summary (bpm_confidence, audio_id, start_frame);

CREATE TABLE new_audio_summary (
    audio_id         INTEGER PRIMARY KEY REFERENCES audio ON DELETE CASCADE,
    bpm              REAL,
    bpm_confidence   REAL,
    bpm_source       TEXT CHECK (bpm_source IN ('plugin', 'user')),
    key              TEXT COLLATE NOCASE, -- "A minor"
    key_confidence   REAL,
    key_source       TEXT CHECK (key_source IN ('plugin', 'user')),
    label            TEXT COLLATE NOCASE,
    label_confidence REAL,
    label_source     TEXT CHECK (label_source IN ('plugin', 'user')),
    duration         REAL NOT NULL, -- s, of the file
    regions          INTEGER NOT NULL,
    content          TEXT COLLATE NOCASE,
    loudness         REAL, -- LUFS
    centroid         REAL, -- Hz
    updated          REAL NOT NULL,
    summary          TEXT NOT NULL CHECK (json_valid(summary)) -- all values by name
) STRICT;
INSERT INTO new_audio_summary
    SELECT audio_id, bpm, bpm_confidence, bpm_source, key, key_confidence, key_source, label, label_confidence, label_source,
           duration, regions, iif(json_type(summary, '$.content') = 'text', content, NULL),
           iif(json_type(summary, '$.lufs') IN ('real', 'integer'), loudness, NULL),
           iif(json_type(summary, '$.centroid') IN ('real', 'integer'), centroid, NULL), updated, summary
    FROM audio_summary;
DROP TABLE audio_summary; -- and its triggers
ALTER TABLE new_audio_summary RENAME TO audio_summary;
CREATE INDEX audio_summary_bpm ON audio_summary (bpm);
CREATE INDEX audio_summary_label ON audio_summary (label, duration);
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
PRAGMA legacy_alter_table = OFF;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('audio_summary', 'audio_summary_bpm', '100000 8'), ('audio_summary', 'audio_summary_label', '100000 1000 2'),
    ('region_summary', 'region_summary_bpm', '300000 20 1 1'), ('region_summary', 'region_summary_key', '300000 12000 3 1 1'),
    ('region_summary', 'region_summary_label', '300000 3000 1 1'),
    ('region_summary', 'region_summary_content', '300000 30000 3000 1 1'),
    ('region_summary', 'region_summary_duration', '300000 10 1 1'), ('region_summary', 'region_summary_loudness', '300000 4 1 1'),
    ('region_summary', 'region_summary_confidence', '300000 300 1 1');
