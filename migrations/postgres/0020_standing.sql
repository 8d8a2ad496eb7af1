-- Who is muted or suspended, until when (null: until they are restored) and why (sealed); when an account is to be closed, and
-- when it was. standing_at is the moment of the newest event that mutes or restores: edges ask what changed lately.

SELECT in_every_generation('relations', 'ALTER TABLE account
    ADD muted_at timestamptz, ADD muted_until timestamptz, ADD muted_reason text,
    ADD suspended_at timestamptz, ADD suspended_until timestamptz, ADD suspended_reason text,
    ADD standing_at timestamptz, ADD closes_at timestamptz, ADD closed_at timestamptz');
SELECT in_every_generation('relations', 'CREATE INDEX account_muted ON account (account_id) WHERE muted_at IS NOT NULL');
SELECT in_every_generation('relations',
    'CREATE INDEX account_standing ON account (standing_at) WHERE standing_at IS NOT NULL');
