-- What is to be done later: a projection of the log, lane by lane, whose rows go once what they ask for was answered.

CREATE TABLE timers (
    -- made from the event that began it; the key of the command is made from this
    id uuid PRIMARY KEY,
    -- the lane whose events begin and end it
    lane smallint NOT NULL,
    kind text NOT NULL,
    -- what it is about, so that a later event can end it: one timer of a kind
    subject uuid NOT NULL,
    due_at timestamptz NOT NULL,
    -- what is to be done
    payload json NOT NULL,
    CONSTRAINT timers_subject UNIQUE (kind, subject)
);

CREATE INDEX timers_due ON timers (lane, due_at);
