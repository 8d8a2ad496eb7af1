-- What a group was called when a stay in it ended: who has left is told of nothing that comes later. How many were in is
-- counted by the numbers of the stays.

SELECT in_every_generation('relations', 'ALTER TABLE member ADD left_name text');

-- Stays that have ended already: what it is called now stands for ever. `natter projections rebuild relations` knows better.
SELECT in_every_generation('relations', 'UPDATE member SET left_name = conversation.name FROM conversation
    WHERE conversation.conversation_id = member.conversation_id AND left_seq IS NOT NULL');

-- Was there for who has left.
SELECT in_every_generation('relations', 'ALTER TABLE conversation DROP card_changed');
