-- What an attempt has reported of a metric so far, kept up to date by each batch of points: what it is judged by costs one
-- row, however many points there are. Of a curve of many points only some are kept: each `stride`-th step, the extremes and
-- the last. Curves from before this table are summed up from their points when somebody asks.
CREATE TABLE curve (
    experiment uuid NOT NULL,
    trial integer NOT NULL,
    attempt integer NOT NULL,
    metric text NOT NULL,
    count bigint NOT NULL,              -- points reported, also those that are not kept
    last integer NOT NULL,              -- the highest step; what is not above it was reported before
    latest double precision NOT NULL,
    min double precision,               -- of finite values only
    max double precision,
    min_step integer NOT NULL,          -- 0 = not known
    max_step integer NOT NULL,
    stride integer NOT NULL,
    kept bigint NOT NULL,               -- rows in `measurement`
    PRIMARY KEY (experiment, trial, attempt, metric)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX curve_thinned ON curve (experiment) WHERE stride > 1;

-- In which order points were judged, over all attempts; of points from before, it is not known.
CREATE SEQUENCE arrival;
ALTER TABLE measurement ADD COLUMN arrival bigint;
