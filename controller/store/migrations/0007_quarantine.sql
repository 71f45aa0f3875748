-- Experiments whose work fails for a reason of their own: what waits is tried again at `retry_at`; the others go on.
CREATE TABLE quarantine (
    experiment uuid PRIMARY KEY REFERENCES experiment ON DELETE CASCADE,
    flow text NOT NULL,         -- what failed
    reason text NOT NULL,
    failures integer NOT NULL,
    since timestamptz NOT NULL,
    retry_at timestamptz NOT NULL
);
