-- Histories that can be summed up: what was due in an hour and what of it is missing, histograms of
-- response times, days, and every change of a verdict.

-- expected: slots that were due, null where that is not known; gaps: varints, see domain/rollup.py.
ALTER TABLE tick_rollups
    ADD COLUMN expected integer,
    ADD COLUMN gaps     bytea;

-- Of hours, kept as long as ticks; partitions by the day. Varints, see domain/histogram.py.
CREATE TABLE tick_histograms (
    website_id uuid NOT NULL,
    region     text NOT NULL,
    hour       timestamptz NOT NULL,
    histogram  bytea NOT NULL,
    PRIMARY KEY (website_id, region, hour)
) PARTITION BY RANGE (hour);

-- Days of UTC, each the sum of its hours; partitions by the month.
CREATE TABLE tick_days (
    website_id  uuid NOT NULL,
    region      text NOT NULL,
    day         timestamptz NOT NULL,
    checks      integer NOT NULL,
    up          integer NOT NULL,
    out_of_turn integer NOT NULL,
    expected    integer,
    measured    integer NOT NULL,
    total_ms    double precision NOT NULL,
    max_ms      real,
    -- null: not known of all of its hours
    histogram   bytea,
    gaps        bytea,
    PRIMARY KEY (website_id, region, day)
) PARTITION BY RANGE (day);

-- What ``verdicts`` held, one row for each change of it.
CREATE TABLE flips (
    website_id uuid NOT NULL REFERENCES websites ON DELETE CASCADE,
    region     text NOT NULL,
    at         timestamptz NOT NULL,
    verdict    text NOT NULL CHECK (verdict IN ('up', 'down')),
    slot       timestamptz NOT NULL,
    reason     text,
    PRIMARY KEY (website_id, region, at, verdict)
);
-- They come in the order of time.
CREATE INDEX flips_at ON flips USING brin (at) WITH (autosummarize = on);

-- The verdicts of today are the last changes of those before.
INSERT INTO flips (website_id, region, at, verdict, slot, reason)
SELECT website_id, region, at, verdict, slot, CASE WHEN verdict = 'down' THEN reason END
  FROM verdicts;

-- Which days are rolled up for every website: from the first to the last one. One row, or none.
-- Not in Redis, which may lose it: an old day that is made again has lost its hours' histograms.
CREATE TABLE rolled_up_days (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    first_day timestamptz NOT NULL,
    last_day  timestamptz NOT NULL CHECK (last_day >= first_day)
);
