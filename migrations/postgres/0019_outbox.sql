-- Mails and text messages that are to be sent: written before who asked is answered, gone once they were handed over.

CREATE TABLE outbox (
    id uuid PRIMARY KEY,
    channel text NOT NULL, -- email, sms
    content text NOT NULL, -- sealed for `id`
    created_at timestamptz NOT NULL DEFAULT now(),
    -- after that nobody wants it any more
    expires_at timestamptz NOT NULL,
    -- nobody else takes it before
    due_at timestamptz NOT NULL DEFAULT now(),
    tries smallint NOT NULL DEFAULT 0,
    -- given up then, and why; `why` names a kind of failure and nothing of the letter
    dead_at timestamptz,
    why text
);

-- How else a person is known: shown to themselves only.
SELECT in_every_generation('relations', 'ALTER TABLE account ADD email text, ADD phone text'); -- sealed

CREATE INDEX outbox_due ON outbox (channel, due_at) WHERE dead_at IS NULL;
CREATE INDEX outbox_dead ON outbox (dead_at) WHERE dead_at IS NOT NULL;
