-- An account that was erased: the row stays, so that it is shown as one, and says nothing more of the person.
SELECT in_every_generation('relations', 'ALTER TABLE account
    ALTER username DROP NOT NULL, ALTER nickname DROP NOT NULL, ADD erased_at timestamptz');

-- Its sessions, those that ended long ago too.
SELECT in_every_generation('relations', 'CREATE INDEX session_of_account ON session (account_id)');
