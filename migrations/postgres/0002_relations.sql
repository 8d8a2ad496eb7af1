-- What the projection `relations` writes: who there is, who knows whom, who is in which conversation. All of it can be
-- thrown away and built again from the log. Personal fields are kept sealed, in the text form they have in events.
-- A row is written by the one lane of its aggregate, so lanes never wait for each other's rows.

CREATE TABLE account (
    account_id uuid PRIMARY KEY,
    username text NOT NULL, -- sealed
    nickname text NOT NULL, -- sealed
    -- null while names are being claimed: nobody sees the account yet
    registered_at timestamptz
);

CREATE TABLE session (
    session_id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    device_name text, -- sealed
    platform text,
    opened_at timestamptz NOT NULL,
    -- when the refresh token stops working; moves with every exchange
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    ended_reason text
) WITH (fillfactor = 80);

-- An edge that starts asks which sessions ended lately.
CREATE INDEX session_ended ON session (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE friend_request (
    request_id uuid PRIMARY KEY,
    friendship_id uuid NOT NULL,
    sender uuid NOT NULL,
    receiver uuid NOT NULL,
    message text, -- sealed
    -- as answered; that a pending one has expired is found when it is read
    status text NOT NULL CHECK (status IN ('pending', 'accepted', 'rejected')),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    conversation_id uuid
);

CREATE INDEX friend_request_sender ON friend_request (sender, created_at, request_id);
CREATE INDEX friend_request_receiver ON friend_request (receiver, created_at, request_id);

-- Two rows per pair, one for each of them to list.
CREATE TABLE friendship (
    account_id uuid NOT NULL,
    friend_id uuid NOT NULL,
    friendship_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (account_id, friend_id)
);

-- Every message moves `last_seq` and `last_activity`: they stand in no index and the pages keep room, so that the new
-- row version goes beside the old one (HOT) and no index is touched.
CREATE TABLE conversation (
    conversation_id uuid PRIMARY KEY,
    kind text NOT NULL,
    last_seq bigint NOT NULL,
    last_activity timestamptz NOT NULL
) WITH (fillfactor = 60);

-- Membership is a list of intervals: a member sees seqs above joined_seq, up to left_seq where there is one.
CREATE TABLE member (
    conversation_id uuid NOT NULL,
    account_id uuid NOT NULL,
    joined_seq bigint NOT NULL,
    left_seq bigint,
    -- the lane positions at which the interval begins and ends
    joined_position bigint NOT NULL,
    left_position bigint,
    PRIMARY KEY (conversation_id, account_id, joined_seq)
);

CREATE INDEX member_account ON member (account_id, conversation_id);

-- How far each person has read; absent: not moved yet.
CREATE TABLE inbox_cursor (
    account_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    read_seq bigint NOT NULL,
    PRIMARY KEY (account_id, conversation_id)
) WITH (fillfactor = 60);
