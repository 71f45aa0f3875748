-- Of several objectives, the values that count, one an objective; of one objective, as `value`.
-- And one an outcome constraint: by how much the trial misses it.
ALTER TABLE trial ADD COLUMN objective_values double precision[], ADD COLUMN violations double precision[];
