-- How far the owner of a shard has dealt with a topic. `log` names the log that `next` counts in.
CREATE TABLE position (
    shard bigint NOT NULL REFERENCES shard ON DELETE CASCADE,
    topic text NOT NULL,
    log text NOT NULL,
    next bigint NOT NULL,
    PRIMARY KEY (shard, topic)
) WITH (fillfactor = 50);

-- The controllers that want shards; `session` is the key of the advisory lock that each holds while it lives.
CREATE TABLE controller (
    name text PRIMARY KEY,
    session bigint NOT NULL,
    expires_at timestamptz NOT NULL
);

-- Who took which shard when, and the epoch under which each fact was committed: an audit that no stale owner wrote.
CREATE TABLE ownership (
    shard bigint NOT NULL REFERENCES shard ON DELETE CASCADE,
    epoch bigint NOT NULL,
    owner text NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (shard, epoch)
);
ALTER TABLE fact ADD COLUMN epoch bigint;

-- What a new owner loads does not depend on how many experiments are over.
CREATE INDEX experiment_open ON experiment (shard) WHERE concluded_at IS NULL;

-- Experiments that were deleted: a submission that is heard again must not bring one back.
CREATE TABLE deleted (
    experiment uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now()
);

-- Records that could not be read or decided on; the id follows from the record's place, so each is kept once.
CREATE TABLE dead_letter (
    id uuid PRIMARY KEY,
    shard bigint NOT NULL,
    topic text NOT NULL,
    place bigint NOT NULL,      -- its position in its partition
    key bytea NOT NULL,
    headers jsonb NOT NULL,     -- [[name, value in base64], ...]
    value bytea NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    published boolean NOT NULL DEFAULT false
);
CREATE INDEX dead_letter_unpublished ON dead_letter (shard) WHERE NOT published;
