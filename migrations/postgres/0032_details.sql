-- What messages have besides their bodies: what they answer, whom they mention, what kind of thing they are.

SELECT in_every_generation('history', 'ALTER TABLE message
    -- null: a text, or a system message
    ADD kind text,
    -- JSON; null: nothing of it, and once recalled
    ADD details text,
    -- null: it has none, or was recalled
    ADD has_link boolean');

-- Who looks for pictures or for links reads these alone. Most messages stand in neither.
SELECT in_every_generation('history', 'CREATE INDEX message_kind ON message (conversation_id, kind, seq)
    WHERE kind IS NOT NULL');
SELECT in_every_generation('history', 'CREATE INDEX message_link ON message (conversation_id, seq) WHERE has_link');

-- Everybody at once is the account 00000000-0000-0000-0000-000000000000. A recall takes a message's rows away.
SELECT in_every_generation('relations', 'CREATE TABLE mention (
    conversation_id uuid NOT NULL,
    account_id uuid NOT NULL,
    seq bigint NOT NULL,
    sender uuid NOT NULL,
    PRIMARY KEY (conversation_id, account_id, seq)
)');
SELECT in_every_generation('relations', 'CREATE INDEX mention_message ON mention (conversation_id, seq)');
