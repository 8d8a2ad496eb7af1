-- How else friend requests end, what people note of their friends, whom they block, and how direct conversations stand.

SELECT in_every_generation('relations', 'ALTER TABLE friend_request DROP CONSTRAINT friend_request_status_check');
SELECT in_every_generation('relations', 'ALTER TABLE friend_request
    ADD CONSTRAINT friend_request_status_check
        CHECK (status IN (''pending'', ''accepted'', ''rejected'', ''cancelled'', ''expired'')),
    ADD source text,
    -- its receiver does not see it; where that was said stands apart from changed, which its sender is told
    ADD ignored boolean NOT NULL DEFAULT false, ADD ignored_changed bigint NOT NULL DEFAULT 0');

-- The row stays when the friendship has ended: who asks what changed is told.
SELECT in_every_generation('relations', 'ALTER TABLE friendship
    ADD ended boolean NOT NULL DEFAULT false,
    ADD remark text, ADD folder text, -- sealed, by account_id
    ADD starred boolean NOT NULL DEFAULT false');

SELECT in_every_generation('relations', 'CREATE TABLE block (
    account_id uuid NOT NULL,
    blocked_id uuid NOT NULL,
    friendship_id uuid NOT NULL,
    since timestamptz NOT NULL,
    -- taken back; stays as that of friendship does
    ended boolean NOT NULL,
    lane smallint NOT NULL,
    changed bigint NOT NULL,
    PRIMARY KEY (account_id, blocked_id))');

-- Of direct conversations. Who was blocked is told nothing, so what changed for one member alone stands with them.
SELECT in_every_generation('relations', 'ALTER TABLE conversation
    ADD is_open boolean NOT NULL DEFAULT true, ADD barred_by uuid[] NOT NULL DEFAULT ''{}''');
SELECT in_every_generation('relations', 'ALTER TABLE member ADD own_changed bigint NOT NULL DEFAULT 0');

-- In which order the folders of friends stand: sealed.
SELECT in_every_generation('relations', 'ALTER TABLE account
    ADD friend_folders text, ADD friend_folders_changed bigint NOT NULL DEFAULT 0');

-- Requests run out by a timer from now on, those too that wait already. What has run out before is not told of any more.
SELECT in_every_generation('relations', 'INSERT INTO public.timers (id, lane, kind, subject, due_at, payload)
    SELECT gen_random_uuid(), lane, ''friendship.expire_request'', request_id, expires_at,
           json_build_object(''expire_request'', json_build_object(''friendship'', friendship_id, ''request'', request_id))
    FROM friend_request WHERE status = ''pending'' AND expires_at > now()
    ON CONFLICT DO NOTHING');
