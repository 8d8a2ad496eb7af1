-- Groups, and what sync asks of a conversation.
ALTER TABLE conversation
    ADD COLUMN name text, -- a group's, sealed
    ADD COLUMN owner uuid, -- a group's
    -- The lane that writes the row, and the position there of the newest event of any kind. Null and 0 in rows that were
    -- written before these columns and have not changed since.
    ADD COLUMN lane smallint,
    ADD COLUMN changed bigint NOT NULL DEFAULT 0;

-- When the stay began. Until now members were those of direct conversations, who are in since they became friends.
ALTER TABLE member ADD COLUMN joined_at timestamptz;
UPDATE member SET joined_at = coalesce(
    (SELECT since FROM friendship
     WHERE friendship.account_id = member.account_id AND friendship.conversation_id = member.conversation_id),
    (SELECT last_activity FROM conversation WHERE conversation.conversation_id = member.conversation_id),
    'epoch');
ALTER TABLE member ALTER COLUMN joined_at SET NOT NULL;
