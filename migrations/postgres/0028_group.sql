-- Groups whole: how they are set up, who is what in them, who may come, and what admins look up.

SELECT in_every_generation('relations', 'ALTER TABLE conversation
    ADD avatar uuid,
    ADD description text, -- sealed
    ADD announcement text, -- sealed
    ADD announced_seq bigint, -- the number of its message
    ADD announced_at timestamptz,
    ADD announced_by uuid,
    ADD join_policy text NOT NULL DEFAULT ''invitation'',
    ADD shares_history boolean NOT NULL DEFAULT false,
    ADD is_muted boolean NOT NULL DEFAULT false,
    ADD slow_mode integer NOT NULL DEFAULT 0, -- seconds
    ADD permissions text, -- JSON; null: the usual ones
    -- dissolved; until when it can be read
    ADD ends_at timestamptz,
    -- where name, picture, words or settings last changed
    ADD card_changed bigint NOT NULL DEFAULT 0');

-- Of one stay. An owner is named by the conversation.
SELECT in_every_generation('relations', 'ALTER TABLE member
    ADD is_admin boolean NOT NULL DEFAULT false,
    ADD nickname text, -- sealed
    ADD muted_until timestamptz,
    -- the number at which they came, less one: below joined_seq is what they do not see, below this what they need not read
    ADD entered_seq bigint');

-- Until now a stay began where they came.
SELECT in_every_generation('relations', 'UPDATE member SET entered_seq = joined_seq');

-- Admins of a large group are found without reading all of it.
SELECT in_every_generation('relations', 'CREATE INDEX member_admin ON member (conversation_id) WHERE is_admin AND left_seq IS NULL');

SELECT in_every_generation('relations', 'CREATE TABLE group_invitation (
    conversation_id uuid NOT NULL,
    account_id uuid NOT NULL,
    invited_by uuid NOT NULL,
    is_told boolean NOT NULL,
    invited_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (conversation_id, account_id)
)');

SELECT in_every_generation('relations', 'CREATE INDEX group_invitation_account ON group_invitation (account_id, invited_at)');

-- Who asks to come.
SELECT in_every_generation('relations', 'CREATE TABLE group_request (
    conversation_id uuid NOT NULL,
    account_id uuid NOT NULL,
    message text, -- sealed
    asked_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (conversation_id, account_id)
)');

SELECT in_every_generation('relations', 'CREATE TABLE group_link (
    conversation_id uuid NOT NULL,
    link_id uuid NOT NULL,
    secret text NOT NULL, -- sealed
    made_by uuid NOT NULL,
    made_at timestamptz NOT NULL,
    expires_at timestamptz,
    uses integer, -- null: any number
    used integer NOT NULL DEFAULT 0,
    -- where it was used last: an event that comes again counts once
    used_position bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (conversation_id, link_id)
)');

SELECT in_every_generation('relations', 'CREATE TABLE group_ban (
    conversation_id uuid NOT NULL,
    account_id uuid NOT NULL,
    banned_by uuid NOT NULL,
    banned_at timestamptz NOT NULL,
    PRIMARY KEY (conversation_id, account_id)
)');

-- What admins look up: one row for each event but messages.
SELECT in_every_generation('relations', 'CREATE TABLE group_log (
    conversation_id uuid NOT NULL,
    happened_at timestamptz NOT NULL,
    event_id uuid NOT NULL,
    action text NOT NULL,
    done_by uuid,
    account_ids uuid[] NOT NULL,
    detail text, -- JSON
    words text, -- sealed
    PRIMARY KEY (conversation_id, happened_at, event_id)
)');
