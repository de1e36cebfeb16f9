-- The tick store of installations without InfluxDB. Partitions are made ahead of time, ticks by the
-- day and roll-ups by the month, and dropped whole when they are past retention.

CREATE TABLE ticks (
    website_id  uuid NOT NULL,
    region      text NOT NULL,
    slot        timestamptz NOT NULL,
    up          boolean NOT NULL,
    reason      text,
    status_code integer NOT NULL,
    response_ms real,
    dns_ms      real NOT NULL,
    connect_ms  real NOT NULL,
    tls_ms      real NOT NULL,
    wait_ms     real NOT NULL,
    transfer_ms real NOT NULL,
    PRIMARY KEY (website_id, region, slot)
) PARTITION BY RANGE (slot);
-- Ticks come in the order of time: a few bytes per MB let a roll-up read its hour and no more.
CREATE INDEX ticks_slot ON ticks USING brin (slot) WITH (autosummarize = on);

CREATE TABLE tick_rollups (
    website_id uuid NOT NULL,
    region     text NOT NULL,
    hour       timestamptz NOT NULL,
    checks     integer NOT NULL,
    up         integer NOT NULL,
    measured   integer NOT NULL,
    mean_ms    real,
    p95_ms     real,
    max_ms     real,
    PRIMARY KEY (website_id, region, hour)
) PARTITION BY RANGE (hour);
