-- What people tell of themselves and allow others. Personal fields are sealed, as everywhere; settings are JSON, null where
-- they are as by default, and settings_changed is the lane position of the newest event that changed them.

SELECT in_every_generation('relations', 'ALTER TABLE account
    ADD avatar uuid, ADD signature text, ADD gender text, ADD region text, ADD birthday text, ADD custom text,
    ADD settings text, ADD settings_changed bigint NOT NULL DEFAULT 0');

-- By which an account is found while its user name is typed: keyed hashes of the beginnings of the name, no name itself.
SELECT in_every_generation('relations', 'CREATE TABLE account_prefix (
    prefix uuid NOT NULL, account_id uuid NOT NULL, PRIMARY KEY (prefix, account_id))');
SELECT in_every_generation('relations', 'CREATE INDEX account_prefix_account ON account_prefix (account_id)');
