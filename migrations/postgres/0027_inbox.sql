-- How a conversation is shown to somebody, beside how far they have read: one row per person and conversation, whichever
-- of both came first. `changed` moves with each of them, so that who asks what changed is told of the conversation.
--
-- `hidden_seq`: left out of the list while nothing newer than that message is there; `cleared_seq`: up to there the messages
-- are gone for this person. `folder` and `draft` are sealed; the same folder always gives the same value.
SELECT in_every_generation('relations', 'ALTER TABLE inbox_cursor
    ALTER read_seq SET DEFAULT 0,
    ADD pinned boolean NOT NULL DEFAULT false,
    ADD quiet_until timestamptz,
    ADD archived boolean NOT NULL DEFAULT false,
    ADD hidden_seq bigint,
    ADD folder text,
    ADD marked_unread boolean NOT NULL DEFAULT false,
    ADD draft text,
    ADD draft_at timestamptz,
    ADD cleared_seq bigint NOT NULL DEFAULT 0,
    ADD announcement_read_seq bigint NOT NULL DEFAULT 0');
