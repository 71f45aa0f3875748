-- Of a record that was too large to be kept whole: its size in bytes.
ALTER TABLE dead_letter ADD COLUMN cut bigint;
-- The oldest of a shard go when it has too many.
CREATE INDEX dead_letter_age ON dead_letter (shard, at, id);
