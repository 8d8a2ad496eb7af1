-- Channels: anybody reads them, so their admins are named by the conversation, and that one has ended is said there.

SELECT in_every_generation('relations', 'ALTER TABLE conversation ADD staff uuid[] NOT NULL DEFAULT ''{}'',
    ADD has_ended boolean NOT NULL DEFAULT false');

-- The directory.
SELECT in_every_generation('relations', 'CREATE INDEX conversation_channel
    ON conversation (last_activity DESC, conversation_id DESC) WHERE kind = ''channel''');
