-- What waits is found without what is over, and timers of one moment go in the order in which they were begun.

SELECT in_every_generation('relations',
    'CREATE INDEX pending_stands ON pending (account_id, created_at DESC) WHERE state NOT IN (''sent'', ''cancelled'')');

ALTER TABLE timers ADD COLUMN position bigint NOT NULL DEFAULT 0;
