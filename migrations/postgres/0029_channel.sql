-- Channels: anybody reads them, so what is said of people there does not depend on whether they subscribe.

SELECT in_every_generation('relations', 'ALTER TABLE conversation ADD has_ended boolean NOT NULL DEFAULT false');

-- The directory, which is sorted as it is asked for: what messages move stands in no index of this table.
SELECT in_every_generation('relations', 'CREATE INDEX conversation_channel ON conversation (conversation_id)
    WHERE kind = ''channel''');

-- Who owns a channel, is or was an admin of it, or is or was muted in it.
SELECT in_every_generation('relations', 'CREATE TABLE channel_person (
    conversation_id uuid NOT NULL,
    account_id uuid NOT NULL,
    is_admin boolean NOT NULL,
    muted_until timestamptz,
    -- when something was first said of them
    since timestamptz NOT NULL,
    PRIMARY KEY (conversation_id, account_id)
)');
