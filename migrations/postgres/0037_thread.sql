-- Threads: replies under a message, and what people have said of a thread. The replies themselves are messages.

SELECT in_every_generation('relations', 'ALTER TABLE conversation ADD has_threads boolean NOT NULL DEFAULT false');

-- A recall takes a reply's row away.
SELECT in_every_generation('relations', 'CREATE TABLE thread_reply (
    conversation_id uuid NOT NULL,
    root_seq bigint NOT NULL,
    seq bigint NOT NULL,
    sender uuid NOT NULL,
    sent_at timestamptz NOT NULL,
    PRIMARY KEY (conversation_id, root_seq, seq)
)');
SELECT in_every_generation('relations', 'CREATE INDEX thread_reply_message ON thread_reply (conversation_id, seq)');

-- Who takes part in a thread or has said something of it.
SELECT in_every_generation('relations', 'CREATE TABLE thread_reader (
    account_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    root_seq bigint NOT NULL,
    root_id uuid NOT NULL,
    -- null: they have not said; who takes part follows
    follows boolean,
    takes_part boolean NOT NULL DEFAULT false,
    read_seq bigint NOT NULL DEFAULT 0,
    -- where they last said something of it
    lane smallint,
    changed bigint,
    PRIMARY KEY (account_id, conversation_id, root_seq)
)');
