-- The log: what is true. One row per installation, one per lane, one per event.

CREATE TABLE installation (
    -- There is one.
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    lanes smallint NOT NULL CHECK (lanes BETWEEN 1 AND 256),
    lane_hash text NOT NULL,
    -- proves that a process has this installation's key, and says nothing else about it
    key_check bytea,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Lease and fence at once: an append locks this row and compares the epoch; a takeover raises the epoch.
-- The head is not kept here: a row that every append rewrote would leave a dead version each time.
CREATE TABLE lanes (
    lane smallint PRIMARY KEY,
    incarnation uuid NOT NULL,
    epoch bigint NOT NULL,
    owner text NOT NULL
);

CREATE TABLE events (
    -- the columns of postgres-es, in whose manner aggregates are loaded
    aggregate_type text NOT NULL,
    aggregate_id text NOT NULL,
    sequence bigint NOT NULL,
    event_type text NOT NULL,
    event_version text NOT NULL,
    -- json, never jsonb: jsonb rewrites what it stores, and the hash chain covers the bytes
    payload json NOT NULL,
    metadata json NOT NULL,
    -- the lane's log
    lane smallint NOT NULL,
    position bigint NOT NULL,
    event_id uuid NOT NULL,
    -- on the first event of a command only
    command_key uuid,
    fingerprint bytea,
    time timestamptz NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, sequence),
    CONSTRAINT events_position UNIQUE (lane, position),
    CONSTRAINT events_command_key UNIQUE (command_key)
);

-- How far each reader of the log has come, and the hash it saw there.
CREATE TABLE checkpoints (
    projection text NOT NULL,
    lane smallint NOT NULL,
    incarnation uuid NOT NULL,
    position bigint NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (projection, lane)
) WITH (fillfactor = 50);
