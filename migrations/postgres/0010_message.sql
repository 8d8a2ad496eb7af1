-- What happens to messages after they were sent. Part of what the projection `history` writes; can be built again from
-- the log.

ALTER TABLE message
    -- null: a system message
    ALTER COLUMN sender DROP NOT NULL,
    -- null once recalled
    ALTER COLUMN body DROP NOT NULL,
    -- The first body stays beside the newest one: who has left sees what it was when they left.
    ADD COLUMN edited_body text,
    ADD COLUMN edited_at timestamptz,
    ADD COLUMN recalled_at timestamptz,
    ADD COLUMN pinned_at timestamptz,
    -- emoji -> how many
    ADD COLUMN reactions jsonb,
    -- the lane position of the newest change; null: none since it was sent, so that sends stand in no index more
    ADD COLUMN changed bigint;

-- Sync asks what changed behind a position.
CREATE INDEX message_changed ON message (conversation_id, changed) WHERE changed IS NOT NULL;

-- Recalled messages do not count as unread. Few are recalled: counting them apart leaves the count of all in its index.
CREATE INDEX message_recalled ON message (conversation_id, seq) INCLUDE (sender) WHERE recalled_at IS NOT NULL;

-- Every change, from which a message is folded as it stood at a position.
CREATE TABLE message_change (
    conversation_id uuid NOT NULL,
    seq bigint NOT NULL,
    -- the event's position in the conversation's lane
    position bigint NOT NULL,
    at timestamptz NOT NULL,
    what text NOT NULL CHECK (what IN ('edited', 'recalled', 'reacted', 'unreacted', 'pinned', 'unpinned')),
    body text, -- of an edit; null once the message was recalled
    account_id uuid,
    emoji text,
    -- of that emoji on that message, with this change
    count bigint,
    PRIMARY KEY (conversation_id, seq, position)
);

-- Who has put what on which message, now.
CREATE TABLE reaction (
    conversation_id uuid NOT NULL,
    account_id uuid NOT NULL,
    seq bigint NOT NULL,
    emoji text NOT NULL,
    PRIMARY KEY (conversation_id, account_id, seq, emoji)
);
