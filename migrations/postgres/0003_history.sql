-- What the projection `history` writes where history lives in PostgreSQL: every message, once. Can be built again from
-- the log.

CREATE TABLE message (
    conversation_id uuid NOT NULL,
    seq bigint NOT NULL,
    message_id uuid NOT NULL,
    sender uuid NOT NULL,
    body text NOT NULL, -- sealed
    sent_at timestamptz NOT NULL,
    -- the event's position in the conversation's lane
    position bigint NOT NULL,
    -- Pages and the newest message walk this index. The sender rides along so that counting the unread messages of
    -- others reads no rows: 16 bytes an entry, no insert more.
    PRIMARY KEY (conversation_id, seq) INCLUDE (sender),
    -- One message by its id. Its cost is a second index entry per message, in leaves that its conversation shares.
    CONSTRAINT message_id UNIQUE (conversation_id, message_id)
);
