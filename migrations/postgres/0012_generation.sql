-- Generations of projections: the rows of one are built beside those of another, compared, and switched to. The rows of
-- generation 1 are in this schema, those of a later one in a schema of its own, `history_2`, made like these tables.

CREATE TABLE projection_generation (
    projection text NOT NULL,
    -- never used twice
    generation integer NOT NULL CHECK (generation > 0),
    -- where its rows are
    store text NOT NULL,
    -- building: a shadow; live: is read and kept up to date; kept: was live; dropping, dropped: its rows are gone
    state text NOT NULL CHECK (state IN ('building', 'live', 'kept', 'dropping', 'dropped')),
    created_at timestamptz NOT NULL DEFAULT now(),
    -- when it was last found to be the same as the live one
    compared_at timestamptz,
    -- when it last became live
    live_at timestamptz,
    PRIMARY KEY (projection, generation)
);

CREATE UNIQUE INDEX projection_generation_live ON projection_generation (projection) WHERE state = 'live';
CREATE UNIQUE INDEX projection_generation_building ON projection_generation (projection) WHERE state = 'building';

INSERT INTO projection_generation (projection, generation, store, state, live_at)
VALUES ('relations', 1, 'postgres', 'live', now()), ('history', 1, 'postgres', 'live', now());

-- For migrations that change a projection's table: runs the statement once in the schema of every generation that is in
-- PostgreSQL, whose tables it names without a schema.
CREATE FUNCTION in_every_generation(of_projection text, statement text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    before text := current_setting('search_path');
    home text;
BEGIN
    FOR home IN
        SELECT DISTINCT CASE WHEN generation = 1 THEN 'public' ELSE projection || '_' || generation END
        FROM public.projection_generation
        WHERE projection = of_projection AND store = 'postgres' AND (state <> 'dropped' OR generation = 1)
    LOOP
        PERFORM set_config('search_path', home, true);
        EXECUTE statement;
    END LOOP;
    PERFORM set_config('search_path', before, true);
END $$;

-- Events that a projector could not apply, and behind each the later events of its aggregate, in the order of positions.
CREATE TABLE projection_failures (
    -- as in checkpoints: with the generation
    projection text NOT NULL,
    lane smallint NOT NULL,
    position bigint NOT NULL,
    aggregate_id uuid NOT NULL,
    event_id uuid NOT NULL,
    event text NOT NULL,
    -- failed: could not be applied; behind: waits for one that could not
    state text NOT NULL CHECK (state IN ('failed', 'behind')),
    reason text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (projection, lane, position)
);

CREATE INDEX projection_failures_aggregate ON projection_failures (projection, aggregate_id, position);

-- What operators did to projections; only added to.
CREATE TABLE operator_action (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    action text NOT NULL,
    subject text NOT NULL,
    detail text NOT NULL
);

CREATE FUNCTION operator_action_is_only_added_to() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what operators did is only added to';
END $$;

CREATE TRIGGER operator_action_is_only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON operator_action
    FOR EACH STATEMENT EXECUTE FUNCTION operator_action_is_only_added_to();
