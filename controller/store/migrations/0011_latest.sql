-- The latest value of a curve is that of the latest time, of equal times that of the later report. What was summed up before has
-- no time here, and the next report is its latest.
ALTER TABLE curve ADD COLUMN latest_at timestamptz, ADD COLUMN latest_step integer NOT NULL DEFAULT 0;
