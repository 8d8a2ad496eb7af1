-- When people were online last. No projection of the log and of no generation: the doors write it, in batches, and what they
-- have not written yet is lost with them. A row goes with its account.
CREATE TABLE presence (
    account_id uuid PRIMARY KEY,
    last_seen_at timestamptz NOT NULL
) WITH (fillfactor = 80);
