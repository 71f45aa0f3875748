-- A new experiment with its first fact, or nothing: `made` is empty when its name is taken or it was deleted, `place` when
-- the shard has a new owner. Without a shard (`run`), the experiment gets one of its own.
WITH alone AS (
    INSERT INTO shard (id) SELECT nextval('embedded_shard') WHERE :shard::bigint IS NULL RETURNING id),
owned AS (
    SELECT id FROM shard WHERE id = :shard AND epoch = :epoch::bigint FOR SHARE),
place AS (
    SELECT id FROM alone UNION ALL SELECT id FROM owned),
made AS (
    INSERT INTO experiment (id, shard, namespace, name, spec, seed, origin, state, progress, version, created_at)
    SELECT :experiment, place.id, :namespace, :name, :spec, :seed, :origin, :state, :progress, 1, :at FROM place
    WHERE NOT EXISTS (SELECT FROM deleted WHERE experiment = :experiment)
    ON CONFLICT DO NOTHING RETURNING id),
told AS (
    INSERT INTO fact (experiment, seq, id, cause, at, type, data, epoch)
    SELECT made.id, 1, :fact, :cause, :at, :type, :data, :epoch FROM made),
due AS (INSERT INTO outbox (experiment, seq, effect) SELECT made.id, 1, :effect FROM made)
SELECT (SELECT id FROM place) AS shard, (SELECT count(*) FROM made) AS made
