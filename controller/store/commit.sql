-- All decisions of one batch on one experiment, or none of them: `fence` is empty when the shard has a new owner, `moved`
-- when the experiment or the position in the topic is no longer where the decision found it. Each part hangs on `moved`.
WITH fence AS (SELECT FROM shard WHERE id = :shard AND epoch = :epoch FOR SHARE),
moved AS (
    UPDATE experiment SET
        progress = :progress,
        state = :state,
        version = :version_after,
        spec = coalesce(:spec, spec),
        concluded_at = CASE WHEN :done THEN coalesce(concluded_at, :at) END
    WHERE id = :experiment AND version = :version_before AND EXISTS (SELECT FROM fence)
        AND (:topic::text IS NULL OR EXISTS (
            SELECT FROM position WHERE shard = :shard AND topic = :topic AND log = :log AND next = :position_before))
    RETURNING id),
advanced AS (
    UPDATE position SET next = :position_after FROM moved
    WHERE shard = :shard AND topic = :topic AND log = :log AND next = :position_before),
marked AS (
    INSERT INTO inbox (experiment, id, asked)
    SELECT moved.id, m.id, m.asked FROM moved, unnest(:mark.id::uuid[], :mark.asked::bytea[]) AS m (id, asked)),
unmailed AS (
    DELETE FROM mailbox USING moved WHERE mailbox.experiment = :experiment AND mailbox.id = ANY(:mark.id::uuid[])),
told AS (
    INSERT INTO fact (experiment, seq, id, cause, at, type, trial, data, epoch)
    SELECT moved.id, f.seq, f.fact, f.cause, f.at, f.type, f.trial, f.data::jsonb, :epoch
    FROM moved, unnest(
        :fact.seq::bigint[],
        :fact.id::uuid[],
        :fact.cause::uuid[],
        :fact.at::timestamptz[],
        :fact.type::text[],
        :fact.trial::int[],
        :fact.data::text[]
    ) AS f (seq, fact, cause, at, type, trial, data)),
made AS (
    INSERT INTO trial (experiment, number, state, attempt, assignment, told, proposed_at)
    SELECT moved.id, t.number, t.state, t.attempt, t.assignment::jsonb, t.told, t.proposed_at
    FROM moved, unnest(
        :new_trial.number::int[],
        :new_trial.state::text[],
        :new_trial.attempt::int[],
        :new_trial.assignment::text[],
        :new_trial.told::int[],
        :new_trial.proposed_at::timestamptz[]
    ) AS t (number, state, attempt, assignment, told, proposed_at)),
changed AS (
    UPDATE trial SET
        state = t.state,
        attempt = t.attempt,
        ordinal = t.ordinal,
        cause = t.cause,
        exit_code = t.exit_code,
        message = t.message,
        observation = t.observation::jsonb,
        value = t.value,
        objective_values = t.objective_values::float8[],
        violations = t.violations::float8[],
        started_at = coalesce(t.started_at, trial.started_at),
        concluded_at = t.concluded_at
    FROM unnest(
        :trial.number::int[],
        :trial.state::text[],
        :trial.attempt::int[],
        :trial.ordinal::int[],
        :trial.cause::text[],
        :trial.exit_code::int[],
        :trial.message::text[],
        :trial.observation::text[],
        :trial.value::float8[],
        :trial.objective_values::text[],
        :trial.violations::text[],
        :trial.started_at::timestamptz[],
        :trial.concluded_at::timestamptz[]
    ) AS t (number, state, attempt, ordinal, cause, exit_code, message, observation, value, objective_values,
        violations, started_at, concluded_at)
    WHERE trial.experiment = :experiment AND trial.number = ANY(:trial.number::int[]) AND trial.number = t.number
        AND EXISTS (SELECT FROM moved)),
due AS (
    INSERT INTO outbox (experiment, seq, effect)
    SELECT moved.id, o.seq, o.effect FROM moved, unnest(:effect.seq::bigint[], :effect.effect::text[]) AS o (seq, effect))
SELECT (SELECT count(*) FROM fence) AS fence, (SELECT count(*) FROM moved) AS moved
