-- What an operator gave up. Who looks in vain for what it would have written can tell why.

CREATE TABLE projection_skipped (
    -- as in projection_failures
    projection text NOT NULL,
    lane smallint NOT NULL,
    position bigint NOT NULL,
    aggregate_id uuid NOT NULL,
    event_id uuid NOT NULL,
    event text NOT NULL,
    reason text NOT NULL,
    key uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (projection, lane, position)
);

CREATE INDEX projection_skipped_key ON projection_skipped (projection, lane, key);
