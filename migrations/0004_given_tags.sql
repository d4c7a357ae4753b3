-- Version 4: the tags that users gave a sound, which every list shows, without a look at those that plugins gave it.
CREATE INDEX tags_given ON tags (audio_id, name, start_frame, region_id) WHERE NOT automatic;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('tags', 'tags_given', '20000 2 1 1 1');
