-- Where a session was last used from, and when: its tokens were exchanged then. Sessions from before say nothing;
-- `natter projections rebuild relations` knows when, and where from since events tell.
SELECT in_every_generation('relations', 'ALTER TABLE session ADD last_used_at timestamptz, ADD address text');

-- A person asks which sessions they have.
SELECT in_every_generation('relations', 'CREATE INDEX session_account ON session (account_id) WHERE ended_at IS NULL');
