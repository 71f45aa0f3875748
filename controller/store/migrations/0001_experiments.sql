-- Who owns a shard: the owner's name, its epoch, and the key of the advisory lock that its session holds.
CREATE TABLE shard (
    id bigint PRIMARY KEY,
    owner text,
    epoch bigint NOT NULL DEFAULT 0,
    session bigint,
    expires_at timestamptz
);

-- Embedded, each experiment is a shard of its own, numbered apart from the shards of a cluster.
CREATE SEQUENCE embedded_shard START 1000;

CREATE TABLE experiment (
    id uuid PRIMARY KEY,
    shard bigint NOT NULL REFERENCES shard,
    namespace text NOT NULL,
    name text NOT NULL,
    spec jsonb NOT NULL,
    seed bigint NOT NULL,
    origin text,
    state text NOT NULL,
    progress jsonb NOT NULL,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    concluded_at timestamptz,
    UNIQUE (namespace, name)
) WITH (fillfactor = 50);
CREATE INDEX experiment_shard ON experiment (shard);

CREATE TABLE fact (
    experiment uuid NOT NULL REFERENCES experiment ON DELETE CASCADE,
    seq bigint NOT NULL,
    id uuid NOT NULL,
    cause uuid,
    at timestamptz NOT NULL,
    type text NOT NULL,
    trial integer,
    data jsonb NOT NULL,
    PRIMARY KEY (experiment, seq)
);
CREATE INDEX fact_trial ON fact (experiment, trial) WHERE trial IS NOT NULL;

CREATE TABLE trial (
    experiment uuid NOT NULL REFERENCES experiment ON DELETE CASCADE,
    number integer NOT NULL,
    state text NOT NULL,
    attempt integer NOT NULL,
    assignment jsonb NOT NULL,
    told integer NOT NULL,      -- conclusions that the search knew when it suggested this trial
    ordinal integer,            -- the order of its conclusion among all, from 1
    cause text,
    exit_code integer,
    message text,
    observation jsonb,
    value double precision,
    proposed_at timestamptz NOT NULL,
    started_at timestamptz,
    concluded_at timestamptz,
    PRIMARY KEY (experiment, number)
) WITH (fillfactor = 60);

CREATE FUNCTION trial_keeps_its_conclusion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.ordinal IS NOT NULL AND (NEW.state, NEW.ordinal) IS DISTINCT FROM (OLD.state, OLD.ordinal) THEN
        RAISE EXCEPTION 'trial % has concluded as %; it may not become %', OLD.number, OLD.state, NEW.state
            USING ERRCODE = '23514';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER trial_keeps_its_conclusion BEFORE UPDATE ON trial
    FOR EACH ROW EXECUTE FUNCTION trial_keeps_its_conclusion();

-- Requests of people that were decided on. What is observed of workloads repeats itself harmlessly and needs no mark.
CREATE TABLE inbox (
    experiment uuid NOT NULL REFERENCES experiment ON DELETE CASCADE,
    id uuid NOT NULL,
    PRIMARY KEY (experiment, id)
);

-- Requests of people, left here for the owner of the experiment by processes that do not own it.
CREATE TABLE mailbox (
    id uuid PRIMARY KEY,
    experiment uuid NOT NULL REFERENCES experiment ON DELETE CASCADE,
    at timestamptz NOT NULL,
    data jsonb NOT NULL
);
CREATE INDEX mailbox_experiment ON mailbox (experiment, at);

-- Effects that are still to be done; the fact says what. A row is deleted once its effect is done.
CREATE TABLE outbox (
    experiment uuid NOT NULL REFERENCES experiment ON DELETE CASCADE,
    seq bigint NOT NULL,
    effect text NOT NULL,
    PRIMARY KEY (experiment, effect, seq)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);

CREATE TABLE measurement (
    experiment uuid NOT NULL,
    trial integer NOT NULL,
    attempt integer NOT NULL,
    metric text NOT NULL,
    step integer NOT NULL,
    at timestamptz NOT NULL,
    value double precision NOT NULL,
    PRIMARY KEY (experiment, trial, attempt, metric, step)
);
