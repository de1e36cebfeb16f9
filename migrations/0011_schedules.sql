-- How each website was checked, and since when: what was due then does not change with what is due
-- today. Half-open and without gaps; the period that lasts has no end.
CREATE TABLE website_periods (
    website_id      uuid NOT NULL,
    since           timestamptz NOT NULL,
    until           timestamptz CHECK (until >= since),
    -- null: paused
    check_frequency integer,
    -- null: every region that existed, see region_periods
    regions         text[]
);

-- When each region existed: one row for all websites that are checked from every region.
CREATE TABLE region_periods (
    region text NOT NULL,
    since  timestamptz NOT NULL,
    until  timestamptz CHECK (until >= since),
    PRIMARY KEY (region, since)
);

-- What was before is not known: the first period begins now.
INSERT INTO website_periods (website_id, since, check_frequency, regions)
SELECT w.id, now(), CASE WHEN w.paused_at IS NULL THEN w.check_frequency END,
       CASE WHEN w.paused_at IS NULL AND NOT w.all_regions
            THEN ARRAY(SELECT r.region FROM website_regions r WHERE r.website_id = w.id
                        ORDER BY r.region) END
  FROM websites w;
INSERT INTO region_periods (region, since) SELECT name, created_at FROM regions;

-- Now, as each row would cost twice as much with them.
ALTER TABLE website_periods
    ADD PRIMARY KEY (website_id, since),
    ADD FOREIGN KEY (website_id) REFERENCES websites ON DELETE CASCADE;

-- Checks that fill no slot: null, which takes no room, for all others.
ALTER TABLE ticks ADD COLUMN out_of_turn boolean;
ALTER TABLE tick_rollups ADD COLUMN out_of_turn integer NOT NULL DEFAULT 0;
