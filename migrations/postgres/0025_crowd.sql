-- Groups of many: how many are in stands in the row, so that nobody counts members any more.

-- Who is in now, how many stays there ever were, and the lane position of the newest event that changed it.
SELECT in_every_generation('relations', 'ALTER TABLE conversation ADD member_count bigint NOT NULL DEFAULT 0,
    ADD stay_count bigint NOT NULL DEFAULT 0, ADD members_changed bigint NOT NULL DEFAULT 0');

-- How many were in once the stay had ended: who has left is told of nothing that comes later.
SELECT in_every_generation('relations', 'ALTER TABLE member ADD left_count bigint');

-- Every stay adds one where it begins and takes one where it ends.
SELECT in_every_generation('relations', 'UPDATE conversation SET member_count = sums.now, stay_count = sums.stays,
        members_changed = sums.newest
    FROM (SELECT conversation_id, count(*) - count(left_position) AS now, count(*) AS stays,
                 max(greatest(joined_position, left_position)) AS newest
          FROM member GROUP BY conversation_id) AS sums
    WHERE sums.conversation_id = conversation.conversation_id');

SELECT in_every_generation('relations', 'UPDATE member SET left_count = walk.running
    FROM (SELECT conversation_id, position, sum(delta) OVER (PARTITION BY conversation_id ORDER BY position) AS running
          FROM (SELECT conversation_id, position, sum(delta) AS delta
                FROM (SELECT conversation_id, joined_position AS position, 1 AS delta FROM member
                      UNION ALL SELECT conversation_id, left_position, -1 FROM member
                      WHERE left_position IS NOT NULL) AS change
                GROUP BY conversation_id, position) AS step) AS walk
    WHERE walk.conversation_id = member.conversation_id AND walk.position = member.left_position');

-- A page of members, the newest first, without the others.
SELECT in_every_generation('relations', 'CREATE INDEX member_in ON member (conversation_id, joined_at DESC, account_id DESC)
    WHERE left_seq IS NULL');
