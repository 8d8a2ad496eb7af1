-- What long aggregates remember, so that loading one need not read its whole life. Beside the events it was made from, in
-- the server that holds the lane. All of it can be thrown away: a reader of the log makes it again, and nothing waits for it.
-- Sealed parts stay sealed, as they are in events.

CREATE TABLE snapshots (
    aggregate_type text NOT NULL,
    aggregate_id text NOT NULL,
    -- the last event that is in the state, and where the log has it: a snapshot counts only while the log has it there
    sequence bigint NOT NULL,
    lane smallint NOT NULL,
    position bigint NOT NULL,
    hash bytea NOT NULL,
    -- of the state's shape and of what events do to it
    state_version integer NOT NULL,
    -- json, never jsonb: the checksum covers the bytes
    state json NOT NULL,
    checksum bytea NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id)
);
