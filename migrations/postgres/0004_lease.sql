-- Who runs what, and until when. This clock decides: `expires_at` is always written and compared with now().

-- The lane's row was the fence; now it is the lease too. An empty owner: free.
ALTER TABLE lanes ADD COLUMN expires_at timestamptz NOT NULL DEFAULT '-infinity';
-- Each row is renewed every second: its next version finds room beside it.
ALTER TABLE lanes SET (fillfactor = 50);

-- Who runs one reader of the log over one lane. No fence: a reader's checkpoint is that.
CREATE TABLE readers (
    reader text NOT NULL,
    lane smallint NOT NULL,
    epoch bigint NOT NULL DEFAULT 0,
    owner text NOT NULL DEFAULT '',
    expires_at timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (reader, lane)
) WITH (fillfactor = 50);

-- Who lives and wants a part of a share: what is fair is counted from these.
CREATE TABLE candidates (
    share text NOT NULL,
    owner text NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (share, owner)
) WITH (fillfactor = 50);
