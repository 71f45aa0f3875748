-- A deletion is done as soon as the experiment's own row is gone; what else there was of it goes later, some rows at a time.
-- `rest` says that there may be some. So these rows do not hang on the experiment any more.
ALTER TABLE fact DROP CONSTRAINT fact_experiment_fkey;
ALTER TABLE trial DROP CONSTRAINT trial_experiment_fkey;
ALTER TABLE inbox DROP CONSTRAINT inbox_experiment_fkey;
ALTER TABLE deleted ADD COLUMN rest boolean NOT NULL DEFAULT true;
CREATE INDEX deleted_rest ON deleted (at) WHERE rest;

-- What is kept for some time only: when it came. Earlier rows count from today.
ALTER TABLE inbox ADD COLUMN at timestamptz NOT NULL DEFAULT now();
ALTER TABLE experiment ADD COLUMN points_gone boolean NOT NULL DEFAULT false;

-- The newest experiments, and those whose points may go, without a look at all.
CREATE INDEX experiment_created ON experiment (created_at DESC, id);
CREATE INDEX experiment_points ON experiment (concluded_at) WHERE concluded_at IS NOT NULL AND NOT points_gone;
