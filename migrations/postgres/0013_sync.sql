-- What changed for somebody since they last asked: each row says where, in the lane that it comes from, it was last
-- written. Rows from before this migration say nothing; `natter projections rebuild relations` fills them.

ALTER TABLE account ADD lane smallint NOT NULL DEFAULT 0, ADD changed bigint NOT NULL DEFAULT 0;
ALTER TABLE friend_request ADD lane smallint NOT NULL DEFAULT 0, ADD changed bigint NOT NULL DEFAULT 0;
ALTER TABLE friendship ADD lane smallint NOT NULL DEFAULT 0, ADD changed bigint NOT NULL DEFAULT 0;
ALTER TABLE inbox_cursor ADD lane smallint NOT NULL DEFAULT 0, ADD changed bigint NOT NULL DEFAULT 0;

-- Of a conversation: where its card or its members last changed, and where a message was last recalled. Who has left is
-- told of these only.
ALTER TABLE conversation ADD card_changed bigint NOT NULL DEFAULT 0, ADD recalled bigint NOT NULL DEFAULT 0,
    ADD messages_changed bigint NOT NULL DEFAULT 0;
