-- How a candidate stands with NATS: one that is cut off gets no part while another is steady. The default speaks for
-- nodes that do not know of it yet.
ALTER TABLE candidates ADD COLUMN contact text NOT NULL DEFAULT 'steady';
