-- The keys behind what is sealed in events: one of each account, one of each conversation and month. They stand on the first
-- server only, whichever server the events are on, and wrapped: who reads this table without the master key opens nothing.

CREATE TABLE master_key (
    -- tells one master key from another, and says nothing else about it
    id bytea PRIMARY KEY,
    -- current: what is made is wrapped with it; retiring: some are wrapped with it still; retired: none is
    state text NOT NULL CHECK (state IN ('current', 'retiring', 'retired')),
    since timestamptz NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX master_key_current ON master_key (state) WHERE state = 'current';

CREATE TABLE sealing_key (
    -- an account or a conversation
    owner uuid NOT NULL,
    -- 0: the owner's one key; else the month, 1 being February 1970
    term integer NOT NULL CHECK (term BETWEEN 0 AND 65535),
    -- null: destroyed; the row stays, so that no other one is made in its place
    wrapped bytea,
    -- which master key it is wrapped with
    master bytea,
    made_at timestamptz NOT NULL DEFAULT now(),
    destroyed_at timestamptz,
    PRIMARY KEY (owner, term),
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL)),
    CHECK ((wrapped IS NULL) = (master IS NULL))
);

-- Whose keys were destroyed; after a restored backup they are destroyed again.
CREATE INDEX sealing_key_destroyed ON sealing_key (destroyed_at) WHERE destroyed_at IS NOT NULL;

-- What the log says of it, on every server.
CREATE INDEX events_erasing ON events (lane, position)
    WHERE aggregate_type = 'account' AND event_type IN ('erased', 'registration_abandoned');
