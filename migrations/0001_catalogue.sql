-- The catalogue, version 1. schema/catalogue.md explains every table, column and view.
--
-- Times of day are REAL seconds since 1970 (UTC): datetime(t, 'unixepoch', 'localtime') reads them. Frames are native
-- sample frames counted from the start of the file; seconds are REAL and count from there too.

-- One run of the engine.
CREATE TABLE runs (
    run_id  INTEGER PRIMARY KEY,
    started REAL NOT NULL,
    ended   REAL,            -- NULL: under way, or the engine died
    outcome TEXT,            -- how it ended, for people
    version TEXT NOT NULL,   -- of sonde
    host    TEXT NOT NULL,
    pid     INTEGER NOT NULL,
    command TEXT NOT NULL,
    sandbox TEXT NOT NULL CHECK (json_valid(sandbox)) -- layers in place and missing
) STRICT;

-- Sound as such: what a decoder makes of a file's bytes. Regions, results, tags and edits hang on it, so that they survive
-- copies, moves and changed metadata.
CREATE TABLE audio (
    audio_id        INTEGER PRIMARY KEY,
    audio_hash      TEXT NOT NULL, -- XXH3-128 of the decoded samples
    rate            INTEGER NOT NULL CHECK (rate > 0),     -- Hz
    channels        INTEGER NOT NULL CHECK (channels > 0),
    frames          INTEGER NOT NULL CHECK (frames >= 0),
    duration        REAL NOT NULL GENERATED ALWAYS AS (frames * 1.0 / rate) VIRTUAL, -- s
    decoder         TEXT NOT NULL,
    decoder_version TEXT NOT NULL,
    segmenter       TEXT NOT NULL, -- the segmenter and its parameters
    nonfinite       INTEGER NOT NULL DEFAULT 0, -- samples that were NaN or infinite
    warnings        TEXT CHECK (warnings IS NULL OR json_valid(warnings)), -- array of sentences
    scanned         REAL NOT NULL,
    UNIQUE (audio_hash, rate, channels)
) STRICT;

-- One row for each distinct sequence of bytes.
CREATE TABLE contents (
    content_id    INTEGER PRIMARY KEY,
    bytes_hash    TEXT NOT NULL UNIQUE, -- XXH3-128 of the file
    audio_id      INTEGER NOT NULL REFERENCES audio ON DELETE CASCADE,
    size          INTEGER NOT NULL, -- bytes
    facts         TEXT NOT NULL CHECK (json_valid(facts)), -- all that the decoder says about the file
    created       REAL NOT NULL,
    container     TEXT GENERATED ALWAYS AS (json_extract(facts, '$.container')) VIRTUAL,
    codec         TEXT GENERATED ALWAYS AS (json_extract(facts, '$.codec')) VIRTUAL,
    bit_depth     INTEGER GENERATED ALWAYS AS (json_extract(facts, '$.bit_depth')) VIRTUAL,
    title         TEXT GENERATED ALWAYS AS (json_extract(facts, '$.title')) VIRTUAL,
    artist        TEXT GENERATED ALWAYS AS (json_extract(facts, '$.artist')) VIRTUAL,
    album         TEXT GENERATED ALWAYS AS (json_extract(facts, '$.album')) VIRTUAL,
    comment       TEXT GENERATED ALWAYS AS (json_extract(facts, '$.comment')) VIRTUAL,
    embedded_bpm  REAL GENERATED ALWAYS AS (json_extract(facts, '$.bpm')) VIRTUAL,
    embedded_key  TEXT GENERATED ALWAYS AS (json_extract(facts, '$.key')) VIRTUAL
) STRICT;
CREATE INDEX contents_audio ON contents (audio_id);

-- One row for each path.
CREATE TABLE files (
    file_id         INTEGER PRIMARY KEY,
    path            BLOB NOT NULL UNIQUE, -- the bytes of the path: the key
    path_text       TEXT NOT NULL,        -- for people: what isn't UTF-8 is replaced
    name            TEXT NOT NULL,        -- the last part of path_text
    status          TEXT NOT NULL CHECK (status IN ('queued', 'working', 'done', 'empty', 'failed', 'missing')),
    status_reason   TEXT, -- why it failed, in a sentence
    status_before   TEXT, -- of a missing file: what it was before
    content_id      INTEGER REFERENCES contents ON DELETE SET NULL,
    size            INTEGER NOT NULL, -- bytes, when last seen
    mtime_ns        INTEGER NOT NULL, -- ns since 1970, when last seen
    device          INTEGER NOT NULL,
    inode           INTEGER NOT NULL,
    analysed_size   INTEGER, -- size and mtime_ns when it was last analysed
    analysed_mtime_ns INTEGER,
    profile         TEXT,    -- hash of all that decided which results it has
    added           REAL NOT NULL,
    seen            REAL NOT NULL, -- when size and time were first seen to be these
    finished        REAL     -- when it was last analysed
) STRICT;
CREATE INDEX files_content ON files (content_id);
CREATE INDEX files_status ON files (status);
CREATE INDEX files_inode ON files (inode, device);
CREATE INDEX files_text ON files (path_text);
CREATE INDEX files_added ON files (added);

-- Files that wait for analysis or are under way.
CREATE TABLE queue (
    file_id     INTEGER PRIMARY KEY REFERENCES files ON DELETE CASCADE,
    state       TEXT NOT NULL CHECK (state IN ('waiting', 'working')),
    priority    INTEGER NOT NULL,
    arrival     INTEGER NOT NULL, -- counts up
    due         REAL NOT NULL,    -- not before
    size        INTEGER NOT NULL,
    mtime_ns    INTEGER NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0, -- times put back
    interrupted INTEGER NOT NULL DEFAULT 0, -- times the engine died over it
    again       INTEGER NOT NULL DEFAULT 0 CHECK (again IN (0, 1)), -- run once more when this analysis ends
    options     TEXT CHECK (options IS NULL OR json_valid(options))
) STRICT;
CREATE INDEX queue_arrival ON queue (state, priority DESC, arrival);
CREATE INDEX queue_oldest ON queue (state, priority DESC, mtime_ns);
CREATE INDEX queue_newest ON queue (state, priority DESC, mtime_ns DESC);
CREATE INDEX queue_smallest ON queue (state, priority DESC, size);

-- Stretches of sound between silences.
CREATE TABLE regions (
    region_id         INTEGER PRIMARY KEY,
    audio_id          INTEGER NOT NULL REFERENCES audio ON DELETE CASCADE,
    current           INTEGER NOT NULL CHECK (current IN (0, 1)), -- 0: of an older segmentation
    position          INTEGER NOT NULL, -- 0, 1, 2 ... in the file
    part              INTEGER NOT NULL, -- of a stretch that was too long for one region: 0, 1 ...
    parts             INTEGER NOT NULL, -- ... of so many
    rate              INTEGER NOT NULL, -- Hz
    start_frame       INTEGER NOT NULL, -- with padding
    end_frame         INTEGER NOT NULL, -- exclusive
    sound_start_frame INTEGER NOT NULL, -- without padding
    sound_end_frame   INTEGER NOT NULL,
    segmenter         TEXT NOT NULL,
    start             REAL NOT NULL GENERATED ALWAYS AS (start_frame * 1.0 / rate) VIRTUAL, -- s
    end               REAL NOT NULL GENERATED ALWAYS AS (end_frame * 1.0 / rate) VIRTUAL,
    duration          REAL NOT NULL GENERATED ALWAYS AS ((end_frame - start_frame) * 1.0 / rate) VIRTUAL,
    sound_start       REAL NOT NULL GENERATED ALWAYS AS (sound_start_frame * 1.0 / rate) VIRTUAL,
    sound_end         REAL NOT NULL GENERATED ALWAYS AS (sound_end_frame * 1.0 / rate) VIRTUAL,
    UNIQUE (audio_id, start_frame, end_frame),
    CHECK (start_frame >= 0 AND start_frame < end_frame)
) STRICT;
CREATE INDEX regions_current ON regions (audio_id, position) WHERE current;

-- What a plugin said about a region.
CREATE TABLE region_analysis (
    analysis_id    INTEGER PRIMARY KEY,
    region_id      INTEGER NOT NULL REFERENCES regions ON DELETE CASCADE,
    plugin         TEXT NOT NULL,
    plugin_version TEXT NOT NULL,
    identity       TEXT NOT NULL, -- hash of all that decides the result
    current        INTEGER NOT NULL CHECK (current IN (0, 1)), -- 0: history
    outcome        TEXT NOT NULL CHECK (outcome IN ('ok', 'empty', 'failed', 'unsupported', 'crashed', 'timeout', 'memory',
                                                    'violation', 'skipped', 'quarantined')),
    reason         TEXT,
    result         TEXT CHECK (result IS NULL OR json_valid(result)), -- times in seconds from the start of the file
    interfaces     TEXT CHECK (interfaces IS NULL OR json_valid(interfaces)), -- what it provides
    inputs         TEXT CHECK (inputs IS NULL OR json_valid(inputs)),     -- whose results it read
    sandbox        TEXT CHECK (sandbox IS NULL OR json_valid(sandbox)),    -- when other than the run's
    run_id         INTEGER REFERENCES runs ON DELETE SET NULL,
    created        REAL NOT NULL,
    cpu            REAL,    -- s
    wall           REAL,    -- s
    peak_bytes     INTEGER,
    UNIQUE (region_id, plugin, identity),
    CHECK ((outcome = 'ok') = (result IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX region_analysis_current ON region_analysis (region_id, plugin) WHERE current;
CREATE INDEX region_analysis_outcome ON region_analysis (plugin, outcome) WHERE current;
CREATE INDEX region_analysis_problem ON region_analysis (outcome, region_id)
    WHERE current AND outcome NOT IN ('ok', 'empty', 'unsupported');
CREATE INDEX region_analysis_identity ON region_analysis (identity);

-- Long series beside a result.
CREATE TABLE arrays (
    analysis_id INTEGER NOT NULL REFERENCES region_analysis ON DELETE CASCADE,
    name        TEXT NOT NULL,
    dtype       TEXT NOT NULL CHECK (dtype IN ('f32', 'f64', 'i32', 'u8')), -- little-endian
    shape       TEXT NOT NULL CHECK (json_valid(shape)), -- [entries, ...], row-major
    unit        TEXT NOT NULL,
    hop         REAL NOT NULL, -- s between entries of the first axis; 0: it isn't time
    start       REAL NOT NULL, -- s from the start of the file
    data        BLOB NOT NULL,
    PRIMARY KEY (analysis_id, name)
) STRICT, WITHOUT ROWID;

-- Peaks for drawing.
CREATE TABLE waveforms (
    audio_id INTEGER NOT NULL REFERENCES audio ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('overview', 'zoom')),
    channels INTEGER NOT NULL CHECK (channels IN (1, 2)),
    points   INTEGER NOT NULL CHECK (points >= 0),
    peaks    BLOB NOT NULL, -- for each point and channel: min, max, RMS as int16, little-endian, full scale 32767
    UNIQUE (audio_id, kind),
    CHECK (length(peaks) = points * channels * 6)
) STRICT;

-- The values of a file, made from those of its regions by the rules of the plugins' schemas, a user's word over them.
CREATE TABLE audio_summary (
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
    summary          TEXT NOT NULL CHECK (json_valid(summary)), -- all values by name
    content          TEXT COLLATE NOCASE GENERATED ALWAYS AS (json_extract(summary, '$.content')) VIRTUAL,
    loudness         REAL GENERATED ALWAYS AS (json_extract(summary, '$.lufs')) VIRTUAL, -- LUFS
    updated          REAL NOT NULL
) STRICT;
CREATE INDEX audio_summary_bpm ON audio_summary (bpm);
CREATE INDEX audio_summary_key ON audio_summary (key, bpm);
CREATE INDEX audio_summary_label ON audio_summary (label);
CREATE INDEX audio_summary_duration ON audio_summary (duration);
CREATE INDEX audio_summary_loudness ON audio_summary (loudness);

-- The same values of each region.
CREATE TABLE region_summary (
    region_id        INTEGER PRIMARY KEY REFERENCES regions ON DELETE CASCADE,
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
    summary          TEXT NOT NULL CHECK (json_valid(summary)),
    content          TEXT COLLATE NOCASE GENERATED ALWAYS AS (json_extract(summary, '$.content')) VIRTUAL,
    loudness         REAL GENERATED ALWAYS AS (json_extract(summary, '$.lufs')) VIRTUAL -- LUFS
) STRICT;
CREATE INDEX region_summary_bpm ON region_summary (bpm);
CREATE INDEX region_summary_key ON region_summary (key, bpm);
CREATE INDEX region_summary_label ON region_summary (label);
CREATE INDEX region_summary_content ON region_summary (content);
CREATE INDEX region_summary_duration ON region_summary (duration);

-- Embeddings for similarity search, in short: value i is scale * data[i]. The exact ones stand in the plugin's results.
CREATE TABLE audio_vectors (
    audio_id  INTEGER PRIMARY KEY REFERENCES audio ON DELETE CASCADE,
    region_id INTEGER NOT NULL REFERENCES regions ON DELETE CASCADE, -- the longest, whose vector this is
    plugin    TEXT NOT NULL, -- which made it
    model     TEXT NOT NULL, -- only vectors of one model can be compared
    scale     REAL NOT NULL,
    data      BLOB NOT NULL  -- int8
) STRICT;
CREATE INDEX audio_vectors_region ON audio_vectors (region_id);
CREATE TABLE region_vectors (
    region_id INTEGER PRIMARY KEY REFERENCES regions ON DELETE CASCADE,
    plugin    TEXT NOT NULL,
    model     TEXT NOT NULL,
    scale     REAL NOT NULL,
    data      BLOB NOT NULL
) STRICT;

-- What users say: it wins over what plugins say. Of the whole audio, or of the stretch start_frame to end_frame.
CREATE TABLE edits (
    edit_id     INTEGER PRIMARY KEY,
    audio_id    INTEGER NOT NULL REFERENCES audio ON DELETE CASCADE,
    region_id   INTEGER REFERENCES regions ON DELETE SET NULL, -- where the stretch is anchored now; NULL: unanchored
    start_frame INTEGER, -- NULL: the whole audio
    end_frame   INTEGER,
    field       TEXT NOT NULL, -- bpm, key, label
    value       TEXT NOT NULL, -- "121.5", "A minor" ...
    created     REAL NOT NULL,
    CHECK ((start_frame IS NULL) = (end_frame IS NULL))
) STRICT;
CREATE UNIQUE INDEX edits_field ON edits (audio_id, ifnull(start_frame, -1), ifnull(end_frame, -1), field);

-- Words on sounds, from users and from plugins. Of the whole audio, or of a stretch.
CREATE TABLE tags (
    tag_id      INTEGER PRIMARY KEY,
    audio_id    INTEGER NOT NULL REFERENCES audio ON DELETE CASCADE,
    region_id   INTEGER REFERENCES regions ON DELETE SET NULL,
    start_frame INTEGER,
    end_frame   INTEGER,
    name        TEXT NOT NULL COLLATE NOCASE,
    source      TEXT NOT NULL, -- 'user', or a plugin's id
    automatic   INTEGER NOT NULL CHECK (automatic IN (0, 1)), -- 1: made with the summary, and made anew with it
    confidence  REAL,          -- of a plugin
    created     REAL NOT NULL,
    CHECK ((start_frame IS NULL) = (end_frame IS NULL))
) STRICT;
CREATE UNIQUE INDEX tags_once ON tags (audio_id, name, source, ifnull(start_frame, -1), ifnull(end_frame, -1));
CREATE INDEX tags_name ON tags (name);

-- The newest known description of each plugin.
CREATE TABLE plugins (
    plugin     TEXT PRIMARY KEY, -- id
    version    TEXT NOT NULL,
    library    TEXT NOT NULL, -- path
    hash       TEXT NOT NULL, -- XXH3-128 of the library
    descriptor TEXT NOT NULL CHECK (json_valid(descriptor)),
    schema     TEXT CHECK (schema IS NULL OR json_valid(schema)), -- JSON Schema of its results
    bundled    INTEGER NOT NULL CHECK (bundled IN (0, 1)),
    enabled    INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    state      TEXT NOT NULL CHECK (state IN ('ready', 'standby', 'refused', 'open', 'disabled')),
    reason     TEXT,
    first_seen REAL NOT NULL,
    last_seen  REAL NOT NULL
) STRICT;

-- Deaths of workers and other accidents.
CREATE TABLE incidents (
    incident_id INTEGER PRIMARY KEY,
    run_id      INTEGER REFERENCES runs ON DELETE SET NULL,
    time        REAL NOT NULL,
    kind        TEXT NOT NULL,
    plugin      TEXT,
    file_id     INTEGER REFERENCES files ON DELETE SET NULL,
    region_id   INTEGER REFERENCES regions ON DELETE SET NULL,
    identity    TEXT,
    reason      TEXT NOT NULL,
    detail      TEXT CHECK (detail IS NULL OR json_valid(detail))
) STRICT;
CREATE INDEX incidents_plugin ON incidents (plugin, time);

-- Deaths that count against the identity of a result: two mean quarantine.
CREATE TABLE strikes (
    strike_id   INTEGER PRIMARY KEY,
    identity    TEXT NOT NULL,
    plugin      TEXT,
    incident_id INTEGER REFERENCES incidents ON DELETE CASCADE,
    time        REAL NOT NULL
) STRICT;
CREATE INDEX strikes_identity ON strikes (identity);

-- Words to search by; rowid = files.file_id.
CREATE VIRTUAL TABLE search USING fts5 (
    path, tags, labels, metadata, tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
);

-- ------------------------------------------------------------------------------------------------------ views for people

CREATE VIEW file_summary AS
    SELECT f.file_id, s.*
    FROM files AS f JOIN contents USING (content_id) JOIN audio_summary AS s USING (audio_id);

CREATE VIEW sounds AS
    SELECT f.file_id, f.path_text AS path, f.name, f.status, f.status_reason, a.duration, s.regions,
           s.bpm, s.bpm_confidence, s.bpm_source, s.key, s.key_confidence, s.key_source,
           s.label, s.label_confidence, s.label_source, s.content, s.loudness,
           (SELECT group_concat(DISTINCT t.name) FROM tags AS t WHERE t.audio_id = a.audio_id) AS tags,
           c.container, c.codec, a.rate, a.channels, c.bit_depth, c.title, c.artist, c.album, f.size,
           datetime(f.mtime_ns / 1000000000, 'unixepoch') AS modified, datetime(f.added, 'unixepoch') AS added,
           datetime(f.finished, 'unixepoch') AS analysed, s.summary, a.audio_id
    FROM files AS f LEFT JOIN contents AS c USING (content_id) LEFT JOIN audio AS a USING (audio_id)
         LEFT JOIN audio_summary AS s USING (audio_id);

CREATE VIEW region_results AS
    SELECT f.file_id, f.path_text AS path, r.region_id, r.position AS region, r.start, r.end, x.plugin, x.plugin_version,
           x.outcome, x.reason, x.result, x.cpu, x.wall, x.peak_bytes, datetime(x.created, 'unixepoch') AS analysed
    FROM files AS f JOIN contents AS c USING (content_id) JOIN regions AS r USING (audio_id)
         JOIN region_analysis AS x USING (region_id)
    WHERE r.current AND x.current;

CREATE VIEW problems AS
    SELECT f.file_id, f.path_text AS path, NULL AS region, NULL AS plugin, f.status AS outcome, f.status_reason AS reason
    FROM files AS f WHERE f.status IN ('failed', 'missing')
    UNION ALL
    SELECT f.file_id, f.path_text, r.position, x.plugin, x.outcome, x.reason
    FROM region_analysis AS x JOIN regions AS r USING (region_id) JOIN contents AS c USING (audio_id)
         JOIN files AS f USING (content_id)
    WHERE x.current AND x.outcome NOT IN ('ok', 'empty', 'unsupported') AND r.current;

CREATE VIEW quarantine AS
    SELECT identity, plugin, count(*) AS strikes, max(time) AS latest FROM strikes GROUP BY identity HAVING count(*) >= 2;

CREATE VIEW sound_regions AS
    SELECT f.file_id, f.path_text AS path, r.region_id, r.position AS region, r.start, r.end, r.duration, s.bpm,
           s.bpm_confidence, s.bpm_source, s.key, s.key_confidence, s.key_source, s.label, s.label_confidence,
           s.label_source, s.content, s.loudness, r.sound_start, r.sound_end, r.part, r.parts, s.summary, r.audio_id
    FROM files AS f JOIN contents AS c USING (content_id) JOIN regions AS r USING (audio_id)
         LEFT JOIN region_summary AS s USING (region_id)
    WHERE r.current;

CREATE VIEW sound_tags AS
    SELECT f.file_id, f.path_text AS path, r.position AS region, t.name AS tag, t.source, t.automatic, t.confidence,
           t.start_frame IS NOT NULL AND t.region_id IS NULL AS unanchored
    FROM files AS f JOIN contents AS c USING (content_id) JOIN tags AS t USING (audio_id)
         LEFT JOIN regions AS r USING (region_id);

CREATE VIEW history AS
    SELECT f.file_id, f.path_text AS path, r.position AS region, r.start, r.end, x.plugin, x.plugin_version, x.outcome,
           x.reason, x.result, datetime(x.created, 'unixepoch') AS analysed, x.identity
    FROM files AS f JOIN contents AS c USING (content_id) JOIN regions AS r USING (audio_id)
         JOIN region_analysis AS x USING (region_id)
    WHERE NOT (r.current AND x.current);
