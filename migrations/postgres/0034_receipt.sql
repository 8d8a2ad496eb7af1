-- What the other one of a direct conversation is told of how far somebody has read, and of what has come to them. It stands
-- beside the cursor, which goes on where nothing is told. `shown_changed`: where that last moved, in the owner's lane.
SELECT in_every_generation('relations', 'ALTER TABLE inbox_cursor
    ADD shown_read_seq bigint NOT NULL DEFAULT 0,
    ADD shown_delivered_seq bigint NOT NULL DEFAULT 0,
    ADD shown_changed bigint NOT NULL DEFAULT 0');

-- Until now all reading was told but across a block. What was read while there was one is told here too; a generation that is
-- built anew leaves it out.
SELECT in_every_generation('relations', 'UPDATE inbox_cursor
    SET shown_read_seq = read_seq, shown_delivered_seq = read_seq, shown_changed = inbox_cursor.changed
    FROM conversation
    WHERE conversation.conversation_id = inbox_cursor.conversation_id AND kind = ''direct'' AND read_seq > 0');

-- Whether the person shows how far they have read.
SELECT in_every_generation('relations', 'ALTER TABLE account ADD read_receipts boolean NOT NULL DEFAULT true');
