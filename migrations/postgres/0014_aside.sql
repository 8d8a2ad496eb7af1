-- Which events wait for each other is said by what they build on: what becomes of a message builds on its conversation,
-- in which it was sent. Everything else builds on its own aggregate.

ALTER TABLE projection_failures
    -- waits behind the events of the same key that stand before it
    ADD key uuid,
    -- an operator asks for it to be applied now, by who runs the projection
    ADD asked boolean NOT NULL DEFAULT false;

UPDATE projection_failures SET key = aggregate_id;

ALTER TABLE projection_failures ALTER key SET NOT NULL;

CREATE INDEX projection_failures_key ON projection_failures (projection, lane, key, position);

-- Every process looks each second what was last retried.
CREATE INDEX operator_action_subject ON operator_action (subject, action, id);
