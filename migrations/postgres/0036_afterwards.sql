-- What becomes of messages afterwards: who recalled one, who has reacted when, what was pinned by whom.

SELECT in_every_generation('history', 'ALTER TABLE message ADD recalled_by uuid');
-- Where, and when, the reaction came to be: the list of who has reacted goes by it.
SELECT in_every_generation('history', 'ALTER TABLE reaction ADD position bigint NOT NULL DEFAULT 0, ADD at timestamptz');
SELECT in_every_generation('history', 'UPDATE reaction SET (position, at) = (
    SELECT change.position, change.at FROM message_change AS change
    WHERE change.conversation_id = reaction.conversation_id AND change.seq = reaction.seq AND what = ''reacted''
      AND change.account_id = reaction.account_id AND change.emoji = reaction.emoji
    ORDER BY change.position DESC LIMIT 1)
    WHERE EXISTS (
    SELECT FROM message_change AS change
    WHERE change.conversation_id = reaction.conversation_id AND change.seq = reaction.seq AND what = ''reacted''
      AND change.account_id = reaction.account_id AND change.emoji = reaction.emoji)');
SELECT in_every_generation('history', 'CREATE INDEX reaction_message ON reaction (conversation_id, seq, position)');

-- Of what was recalled nothing is kept but that it was; by whom, was not a question before: only by its sender.
SELECT in_every_generation('history', 'UPDATE message SET recalled_by = sender, kind = NULL, edited_at = NULL, pinned_at = NULL,
    reactions = NULL WHERE recalled_at IS NOT NULL');
SELECT in_every_generation('history', 'DELETE FROM reaction USING message WHERE recalled_at IS NOT NULL
    AND reaction.conversation_id = message.conversation_id AND reaction.seq = message.seq');
SELECT in_every_generation('history', 'DELETE FROM message_change USING message WHERE recalled_at IS NOT NULL
    AND what <> ''recalled''
    AND message_change.conversation_id = message.conversation_id AND message_change.seq = message.seq');

-- What is pinned, and what was: who has left sees what was pinned then. `position`, `unpinned`: where it began and ended
-- in the conversation's lane.
SELECT in_every_generation('relations', 'CREATE TABLE pin (
    conversation_id uuid NOT NULL,
    position bigint NOT NULL,
    seq bigint NOT NULL,
    pinned_at timestamptz NOT NULL,
    pinned_by uuid NOT NULL,
    unpinned bigint,
    PRIMARY KEY (conversation_id, position)
)');
SELECT in_every_generation('relations', 'CREATE INDEX pin_message ON pin (conversation_id, seq)');
