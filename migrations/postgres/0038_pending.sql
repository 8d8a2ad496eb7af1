-- What people have waiting to be said: scheduled, or held for somebody who reviews it. What is over keeps its row without
-- what it said, so that who was away is told.

SELECT in_every_generation('relations', 'CREATE TABLE pending (
    -- made from conversation, message and author
    pending_id uuid PRIMARY KEY,
    conversation_id uuid NOT NULL,
    message_id uuid NOT NULL,
    account_id uuid NOT NULL,
    -- waiting, held, released, sent, failed, cancelled
    state text NOT NULL,
    -- JSON, its body sealed for its author; null: it is over
    content text,
    -- null: it has no moment
    send_at timestamptz,
    -- which rule it met; null: none
    rule text,
    -- why it could not be sent
    code text,
    until timestamptz,
    created_at timestamptz NOT NULL,
    lane smallint NOT NULL,
    changed bigint NOT NULL
)');
SELECT in_every_generation('relations', 'CREATE INDEX pending_account ON pending (account_id, created_at DESC)');
SELECT in_every_generation('relations', 'CREATE INDEX pending_held ON pending (created_at) WHERE state = ''held''');
