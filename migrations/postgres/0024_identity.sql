-- Who people are elsewhere, and sign in as: shown to themselves only. Of whoever is not registered nothing is shown.
SELECT in_every_generation('relations', 'CREATE TABLE account_identity (
    account_id uuid NOT NULL,
    handle uuid NOT NULL,
    about text NOT NULL, -- sealed: the provider, and what the person is called there
    linked_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, handle))');
