-- One's own view of messages: what people have marked for themselves, and what they have deleted for themselves one by one.

-- A recall takes a message's rows away, an erasure a person's.
SELECT in_every_generation('relations', 'CREATE TABLE message_mark (
    account_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    seq bigint NOT NULL,
    message_id uuid NOT NULL,
    -- made from conversation and message: stars of one moment are listed by it
    mark_id uuid NOT NULL,
    -- null: it has no star
    starred_at timestamptz,
    listened boolean NOT NULL,
    -- of the conversation
    lane smallint NOT NULL,
    changed bigint NOT NULL,
    PRIMARY KEY (account_id, conversation_id, seq)
)');
SELECT in_every_generation('relations', 'CREATE INDEX message_mark_message ON message_mark (conversation_id, seq)');
SELECT in_every_generation('relations', 'CREATE INDEX message_mark_star ON message_mark
    (account_id, starred_at DESC, mark_id DESC) WHERE starred_at IS NOT NULL');

-- What lies at or before `cleared_seq` of the inbox has no row.
SELECT in_every_generation('relations', 'CREATE TABLE message_deleted (
    account_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    seq bigint NOT NULL,
    message_id uuid NOT NULL,
    -- of the account
    lane smallint NOT NULL,
    changed bigint NOT NULL,
    PRIMARY KEY (account_id, conversation_id, seq)
)');
