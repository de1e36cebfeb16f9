-- What lists are sorted by, one row a website: nobody can sort a million by what is computed.
CREATE TABLE website_figures (
    website_id  uuid NOT NULL,
    -- 0 down, 1 degraded, 2 not measured, 3 up or not checked yet, 4 paused
    standing    smallint NOT NULL DEFAULT 3,
    -- when the standing last changed
    changed_at  timestamptz NOT NULL DEFAULT now(),
    -- as of the last hourly roll-up. Not known: beyond the end, where null could not be compared
    uptime_30d  real NOT NULL DEFAULT 'infinity'
);

-- The response times of the last 24 hours, in hours that are rolled up: each is added once and, a
-- day later, taken away. One row a website, written every hour: apart from the figures, whose
-- indexes would have to be written with it.
CREATE TABLE website_latencies (
    website_id uuid NOT NULL,
    -- not known: beyond the end
    p95_24h_ms real NOT NULL DEFAULT '-infinity',
    -- Unix seconds: [the first hour that is in it, the end of the last one); null before the first
    since_s    bigint,
    until_s    bigint,
    -- domain/latencies.py
    histogram  bytea
) WITH (fillfactor = 70);

-- When a region measured nothing of what was due, in Unix seconds. No row: never.
CREATE TABLE gaps (
    website_id uuid NOT NULL REFERENCES websites ON DELETE CASCADE,
    region     text NOT NULL,
    spans      int8multirange NOT NULL,
    PRIMARY KEY (website_id, region)
);

-- The end of the last hour whose roll-ups are in the figures. One row, none before the first.
CREATE TABLE figures_as_of (
    id    boolean PRIMARY KEY DEFAULT true CHECK (id),
    until timestamptz NOT NULL
);

INSERT INTO website_figures (website_id, standing, changed_at)
SELECT w.id,
       CASE WHEN w.paused_at IS NOT NULL THEN 4 WHEN i.id IS NOT NULL THEN 0 ELSE 3 END,
       coalesce(w.paused_at, i.started_at,
                (SELECT max(resolved_at) FROM incidents x WHERE x.website_id = w.id), w.created_at)
  FROM websites w LEFT JOIN incidents i ON i.website_id = w.id AND i.resolved_at IS NULL;

INSERT INTO website_latencies (website_id) SELECT id FROM websites;

-- Now, as each row would cost twice as much with them.
ALTER TABLE website_figures
    ADD PRIMARY KEY (website_id),
    ADD FOREIGN KEY (website_id) REFERENCES websites ON DELETE CASCADE;
ALTER TABLE website_latencies
    ADD PRIMARY KEY (website_id),
    ADD FOREIGN KEY (website_id) REFERENCES websites ON DELETE CASCADE;
CREATE INDEX website_figures_standing ON website_figures (standing, website_id);
CREATE INDEX website_figures_changed ON website_figures (changed_at, website_id);
CREATE INDEX website_figures_uptime ON website_figures (uptime_30d, website_id);
CREATE INDEX website_latencies_p95 ON website_latencies (p95_24h_ms, website_id);
CREATE INDEX websites_name ON websites (lower(name COLLATE "C"), id);

-- Which websites were down of late; null, of those that are, comes last.
CREATE INDEX incidents_resolved ON incidents (resolved_at);
