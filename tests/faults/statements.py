"""The statements behind the invariants; each row is a violation, said in its column `line`."""

HOSTILE = "hostile"
"""How the names of experiments begin that do what they should not: what they are, report and spend
is their own affair, and what is put aside in their name is theirs."""
STORMED = "stormed"
"""The first header of each record that a storm sends: what is put aside of it is nobody else's,
whatever its key."""
INNOCENT = f"NOT starts_with(e.name, '{HOSTILE}')"

SUGGESTIONS = """
SELECT format('%s: %s proposals of %s trials, %s trials numbered to %s', e.name, p.n, p.trials,
    t.n, t.last) AS line
FROM experiment e
CROSS JOIN LATERAL (SELECT count(*) AS n, count(DISTINCT trial) AS trials FROM fact
    WHERE experiment = e.id AND type = 'trial.proposed') p
CROSS JOIN LATERAL (SELECT count(*) AS n, coalesce(max(number), 0) AS last FROM trial
    WHERE experiment = e.id) t
WHERE p.n <> t.n OR p.trials <> p.n OR t.last <> t.n
"""

ATTEMPTS = """
WITH scheduled AS (
    SELECT e.name, f.experiment, f.trial, f.seq, (f.data->>'attempt')::int AS attempt
    FROM fact f JOIN experiment e ON e.id = f.experiment WHERE f.type = 'trial.scheduled')
SELECT format('%s trial %s: attempt %s was scheduled %s times', name, trial, attempt,
    count(*)) AS line
FROM scheduled GROUP BY name, experiment, trial, attempt HAVING count(*) > 1
UNION ALL
SELECT format('%s trial %s: attempt %s follows none that was lost or cancelled', name, trial,
    attempt)
FROM scheduled s WHERE attempt > 1 AND NOT EXISTS (
    SELECT FROM fact b WHERE b.experiment = s.experiment AND b.trial = s.trial AND b.seq < s.seq
        AND b.type = 'attempt.ended' AND (b.data->>'attempt')::int = s.attempt - 1
        AND b.data->>'cause' IN ('Lost', 'Cancelled', 'Preempted'))
"""

POINTS = f"""
SELECT e.name, t.number AS trial, coalesce(m.attempt, t.attempt) AS attempt, t.state, t.assignment,
    t.observation,
    coalesce(m.attempt, t.attempt) = t.attempt AS concluding,
    array_agg(m.metric) AS metrics, array_agg(m.step) AS steps, array_agg(m.value) AS values
FROM trial t JOIN experiment e ON e.id = t.experiment
LEFT JOIN measurement m ON m.experiment = t.experiment AND m.trial = t.number
WHERE {INNOCENT}
GROUP BY e.name, t.experiment, t.number, coalesce(m.attempt, t.attempt)
"""

_BUDGET = """
budget AS (
    SELECT e.id, e.name, f.seq, f.type, (e.spec->>'parallelTrialCount')::int AS parallel,
        max(CASE f.type WHEN 'experiment.admitted' THEN (f.data#>>'{spec,maxTrialCount}')::int
            WHEN 'budget.extended' THEN coalesce(f.data->>'max_trial_count',
                f.data->>'maxTrialCount')::int END) OVER w
            AS budget,
        count(*) FILTER (WHERE f.type = 'trial.proposed') OVER w AS proposed,
        count(*) FILTER (WHERE f.type = 'trial.concluded') OVER w AS concluded
    FROM fact f JOIN experiment e ON e.id = f.experiment
    WINDOW w AS (PARTITION BY f.experiment ORDER BY f.seq))
"""
BUDGETS = f"""
WITH {_BUDGET}
SELECT DISTINCT ON (id) format('%s: at fact %s, %s proposed and %s concluded; budget %s,
    %s parallel',
    name, seq, proposed, concluded, budget, parallel) AS line
FROM budget WHERE proposed > budget OR budget IS NULL OR proposed - concluded > parallel
UNION ALL
SELECT format('%s trial %s is %s: %s', e.name, t.number, t.state, t.message)
FROM trial t JOIN experiment e ON e.id = t.experiment
    WHERE t.state IN ('Failed', 'MetricsUnavailable') AND {INNOCENT}
"""
SPENT = f"""
WITH {_BUDGET}, last AS (SELECT DISTINCT ON (id) * FROM budget ORDER BY id, seq DESC)
SELECT format('%s is %s with %s of %s trials proposed, %s concluded', l.name, e.state, proposed,
    budget, concluded)
    AS line
FROM last l JOIN experiment e USING (id)
WHERE {INNOCENT} AND (e.state NOT IN ('Succeeded', 'Stopped') OR concluded <> proposed
    OR proposed <> budget)
"""

LEFT = f"""
SELECT format('%s: the effect %s of fact %s is not done', e.name, o.effect, o.seq) AS line
FROM outbox o JOIN experiment e ON e.id = o.experiment
UNION ALL
SELECT format('%s is over, but trial %s is %s', e.name, t.number, t.state)
FROM trial t JOIN experiment e ON e.id = t.experiment WHERE e.concluded_at IS NOT NULL
    AND t.ordinal IS NULL
UNION ALL
SELECT format('%s[%s]@%s is put aside: %s', topic, shard, place, reason) FROM dead_letter
WHERE headers->0->>0 IS DISTINCT FROM '{STORMED}'
    AND key NOT IN (SELECT e.id::text::bytea FROM experiment e WHERE NOT {INNOCENT})
UNION ALL
SELECT format('the letter %s waits', id) FROM mailbox
"""

CONCLUSIONS = """
WITH concluded AS (
    SELECT e.name, f.experiment, f.trial, count(*) AS times, min(f.data->>'state') AS state,
        min((f.data->>'attempt')::int) AS attempt, min(f.data->>'cause') AS cause,
        min((f.data->>'value')::float8) AS value
    FROM fact f JOIN experiment e ON e.id = f.experiment WHERE f.type = 'trial.concluded'
    GROUP BY e.name, f.experiment, f.trial)
SELECT format('%s trial %s was concluded %s times', name, trial, times) AS line FROM concluded
    WHERE times > 1
UNION ALL
SELECT format('trial %s of %s: its row says (%s, %s, %s), its conclusion (%s, %s, %s)',
    coalesce(t.number, c.trial),
    coalesce(t.experiment, c.experiment), t.state, t.attempt, t.value, c.state, c.attempt, c.value)
FROM concluded c FULL JOIN (SELECT * FROM trial WHERE ordinal IS NOT NULL) t
    ON t.experiment = c.experiment AND t.number = c.trial
WHERE (t.state, t.attempt, t.cause, t.value) IS DISTINCT FROM (c.state, c.attempt, c.cause, c.value)
UNION ALL
SELECT format('%s: %s conclusions have %s places, the last is %s', e.name, count(*),
    count(DISTINCT t.ordinal),
    max(t.ordinal))
FROM trial t JOIN experiment e ON e.id = t.experiment WHERE t.ordinal IS NOT NULL
GROUP BY e.id, e.name HAVING count(*) <> max(t.ordinal) OR count(DISTINCT t.ordinal) <> count(*)
"""

EPOCHS = """
WITH known AS (
    SELECT e.name, e.shard, f.seq, f.type, f.at, f.epoch,
        lag(f.epoch) OVER (PARTITION BY f.experiment ORDER BY f.seq) AS before
    FROM fact f JOIN experiment e ON e.id = f.experiment WHERE e.shard < 1000)
SELECT format('%s: fact %s has epoch %s, the one before %s', name, seq, epoch, before) AS line
FROM known WHERE epoch < before OR epoch IS NULL
UNION ALL
SELECT format('%s: fact %s (%s) was written under epoch %s,
    although %s had taken epoch %s before its cause',
    name, seq, type, k.epoch, o.owner, o.epoch)
FROM known k JOIN ownership o ON o.shard = k.shard AND o.epoch > k.epoch AND o.taken_at < k.at
UNION ALL
SELECT format('%s: fact %s was written under epoch %s, which nobody has taken', name, seq, epoch)
FROM known k WHERE NOT EXISTS (SELECT FROM ownership o WHERE o.shard = k.shard
    AND o.epoch = k.epoch)
"""

FACT_IDS = """
SELECT format('the facts %s have one id', array_agg((experiment, seq, type))) AS line
FROM fact GROUP BY id HAVING count(*) > 1
"""

GAPS = """
SELECT format('%s: %s facts numbered to %s, its version is %s', e.name, count(*), max(f.seq),
    e.version) AS line
FROM fact f JOIN experiment e ON e.id = f.experiment
GROUP BY e.id HAVING count(*) <> max(f.seq) OR max(f.seq) <> e.version
"""

SUCCEEDED = """
SELECT format('%s %s %s', e.name, t.number, t.attempt) AS line
FROM trial t JOIN experiment e ON e.id = t.experiment WHERE t.state = 'Succeeded'
"""

FACTS = "SELECT experiment, seq, id FROM fact"
PUBLISHED = f"""
{FACTS} f WHERE NOT EXISTS (
    SELECT FROM outbox o WHERE o.experiment = f.experiment AND o.seq = f.seq
        AND o.effect = 'publish')
"""
