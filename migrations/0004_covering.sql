-- Version 4: what lists of sounds and of regions ask for stands in the indexes that they go through: the tags that users gave,
-- without a look at those that plugins gave; which regions a tag is on; whether a file has a summary.
CREATE INDEX tags_given ON tags (audio_id, name, start_frame, region_id) WHERE NOT automatic;
DROP INDEX tags_name;
CREATE INDEX tags_name ON tags (name, automatic, audio_id, region_id, start_frame);
DROP INDEX files_audio;
CREATE INDEX files_audio ON files (file_audio_id, status, path_text, regions);
DELETE FROM sqlite_stat1 WHERE idx IN ('tags_name', 'files_audio');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('tags', 'tags_given', '20000 2 1 1 1'), ('tags', 'tags_name', '300000 3000 3000 1 1 1'),
    ('files', 'files_audio', '100000 2 2 1 1');
