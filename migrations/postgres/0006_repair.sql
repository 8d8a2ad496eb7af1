-- Which incarnation of a lane its events belong to. A lane that never lost anything has no row here: all of its events
-- belong to `lanes.incarnation`. Declaring a loss writes the first incarnation down (behind position 0) and the new one.
CREATE TABLE seams (
    lane smallint NOT NULL,
    -- the incarnation holds for the events behind this position, up to the next seam
    position bigint NOT NULL,
    incarnation uuid NOT NULL,
    PRIMARY KEY (lane, position)
);
