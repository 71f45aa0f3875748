-- What the early-stopping rule has to know of an attempt, in the rule's own format: it is restored from these rows, not from
-- all points. `last` is the step up to which the points are in it.
CREATE TABLE course (
    experiment uuid NOT NULL,
    trial integer NOT NULL,
    attempt integer NOT NULL,
    last integer NOT NULL,
    state bytea NOT NULL,
    PRIMARY KEY (experiment, trial, attempt)
);
ALTER TABLE course ALTER COLUMN state SET STORAGE EXTERNAL;
