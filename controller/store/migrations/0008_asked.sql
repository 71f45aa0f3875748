-- What each request asked for, as a hash: another one under the same id is refused. Of earlier requests it is not known.
ALTER TABLE inbox ADD COLUMN asked bytea;
