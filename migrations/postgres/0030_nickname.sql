-- Among which a nickname is looked for: a few bits of a keyed hash of how it begins; null: it is not looked for.

SELECT in_every_generation('relations', 'ALTER TABLE member ADD nickname_bucket smallint');

SELECT in_every_generation('relations', 'CREATE INDEX member_nickname ON member (conversation_id, nickname_bucket)
    WHERE nickname_bucket IS NOT NULL AND left_seq IS NULL');
