-- When messages end by themselves that do so a while after they were read: of what ends a while after it was sent the
-- details say it. null: nobody knows yet, or it does not. `message_change.count` of what is `counting`: the same in milliseconds.

SELECT in_every_generation('history', 'ALTER TABLE message ADD expires_at timestamptz');
-- What was allowed before is among what is allowed now: nothing need be looked at again.
SELECT in_every_generation('history', 'ALTER TABLE message_change DROP CONSTRAINT message_change_what_check,
    ADD CONSTRAINT message_change_what_check
        CHECK (what IN (''edited'', ''recalled'', ''reacted'', ''unreacted'', ''pinned'', ''unpinned'', ''counting'')) NOT VALID');
