-- Addresses that an operator lets in or not, whatever limits say. Not in the log: it is how this installation is run, not
-- what its people did. Not in NATS: a list that is lost with a stream would open the door in silence.
CREATE TABLE door_list (
    network cidr PRIMARY KEY,
    verdict text NOT NULL CHECK (verdict IN ('allow', 'deny')),
    -- null: until somebody changes it
    until timestamptz,
    reason text NOT NULL,
    -- who asked for it
    actor text NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);

-- Each change of it, for who audits. Rows are only ever added, in the transaction that changes the list.
CREATE TABLE door_changes (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    change text NOT NULL CHECK (change IN ('allow', 'deny', 'forget')),
    network cidr NOT NULL,
    until timestamptz,
    reason text NOT NULL
);

-- Keys with which other servers sign their requests. The secrets are nowhere: each is made from the installation's key.
CREATE TABLE server_keys (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    made_by text NOT NULL,
    revoked_at timestamptz,
    revoked_by text
);
