-- The lanes of one installation may be held by several servers. Each says whose it is; the first one, which the
-- database url names, says where each lane lives.

ALTER TABLE installation
    -- the same on every server
    ADD COLUMN installation_id uuid NOT NULL DEFAULT gen_random_uuid(),
    -- of this database alone, wherever it is reached
    ADD COLUMN store_id uuid NOT NULL DEFAULT gen_random_uuid(),
    -- what stands beside the log, such as checkpoints and projections, is here
    ADD COLUMN is_first boolean NOT NULL DEFAULT true;

-- Of the first server: where each lane lives. A lane does not move by itself, and one that is looked for where it is
-- not would begin anew there.
CREATE TABLE lane_stores (
    lane smallint PRIMARY KEY,
    store_id uuid NOT NULL
);

INSERT INTO lane_stores (lane, store_id) SELECT lane, store_id FROM lanes, installation;
