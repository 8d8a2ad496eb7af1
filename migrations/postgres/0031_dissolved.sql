-- Groups that are over, and whom nobody lets in any more.

-- The number of the message by which it was dissolved: who was in then and leaves afterwards sees that it is over.
SELECT in_every_generation('relations', 'ALTER TABLE conversation ADD dissolved_seq bigint');

-- Behind it only leaving takes numbers, and the log has each of them.
SELECT in_every_generation('relations', 'UPDATE conversation SET dissolved_seq = last_seq - (
        SELECT count(*) FROM group_log AS later
        WHERE later.conversation_id = ended.conversation_id AND later.action = ''member_left''
          AND (later.happened_at, later.event_id) > (ended.happened_at, ended.event_id))
    FROM group_log AS ended
    WHERE ended.conversation_id = conversation.conversation_id AND ended.action = ''dissolved''');

-- Nobody comes by what somebody made who is banned.
SELECT in_every_generation('relations', 'DELETE FROM group_link USING group_ban
    WHERE group_link.conversation_id = group_ban.conversation_id AND made_by = account_id');
SELECT in_every_generation('relations', 'DELETE FROM group_invitation USING group_ban
    WHERE group_invitation.conversation_id = group_ban.conversation_id AND invited_by = group_ban.account_id');
