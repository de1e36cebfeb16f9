-- The truth: what is watched, from where, what was decided, and who is told.

CREATE TABLE regions (
    name        text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9-]{0,31}$'),
    description text NOT NULL DEFAULT '' CHECK (length(description) <= 255),
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE websites (
    id                    uuid PRIMARY KEY,
    url                   text NOT NULL CHECK (length(url) BETWEEN 1 AND 2048),
    name                  text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    -- true: every region, those to come among them; false: the rows of website_regions
    all_regions           boolean NOT NULL,
    check_frequency       integer NOT NULL CHECK (check_frequency BETWEEN 30 AND 86400),
    request_timeout       integer NOT NULL CHECK (request_timeout BETWEEN 1 AND 60),
    http_method           text NOT NULL CHECK (
        http_method IN ('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS')
    ),
    request_headers       jsonb NOT NULL CHECK (jsonb_typeof(request_headers) = 'object'),
    request_body          text NOT NULL,
    -- inclusive ranges: [[200, 399]]
    expected_status_codes jsonb NOT NULL CHECK (jsonb_typeof(expected_status_codes) = 'array'),
    follow_redirects      boolean NOT NULL,
    verify_ssl            boolean NOT NULL,
    paused_at             timestamptz,
    alert_emails          text[] NOT NULL,
    external_id           text UNIQUE CHECK (length(external_id) BETWEEN 1 AND 255),
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now(),
    CHECK (request_timeout < check_frequency)
);

CREATE TABLE website_regions (
    website_id uuid NOT NULL REFERENCES websites ON DELETE CASCADE,
    region     text NOT NULL REFERENCES regions,
    PRIMARY KEY (website_id, region)
);
CREATE INDEX website_regions_region ON website_regions (region, website_id);

-- One row per committed change that Redis has yet to show; the sync actor deletes it once shown.
-- A row without a website asks for a full sync.
CREATE TABLE changes (
    seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    website_id uuid,
    check_now  boolean NOT NULL DEFAULT false,
    -- Verdicts were deleted with this change: what regions hold about the website goes too.
    forget     boolean NOT NULL DEFAULT false,
    -- This region is new: what an earlier one of its name held goes (website_id is null then).
    forget_region text,
    changed_at timestamptz NOT NULL DEFAULT now()
);

-- The regions that hold a website down, and those that held it down once and took it back.
CREATE TABLE verdicts (
    website_id  uuid NOT NULL REFERENCES websites ON DELETE CASCADE,
    region      text NOT NULL REFERENCES regions ON DELETE CASCADE,
    verdict     text NOT NULL CHECK (verdict IN ('up', 'down')),
    at          timestamptz NOT NULL,
    slot        timestamptz NOT NULL,
    reason      text,
    status_code integer NOT NULL DEFAULT 0,
    evidence    text NOT NULL DEFAULT '',
    PRIMARY KEY (website_id, region),
    CHECK (verdict = 'up' OR reason IS NOT NULL)
);
CREATE INDEX verdicts_down ON verdicts (website_id) WHERE verdict = 'down';

CREATE TABLE incidents (
    id          uuid PRIMARY KEY,
    website_id  uuid NOT NULL REFERENCES websites ON DELETE CASCADE,
    started_at  timestamptz NOT NULL,
    resolved_at timestamptz CHECK (resolved_at >= started_at),
    cause       text NOT NULL,
    status_code integer NOT NULL DEFAULT 0,
    evidence    text NOT NULL DEFAULT '',
    regions     text[] NOT NULL,
    resolution  text CHECK (resolution IN ('recovered', 'paused')),
    CHECK ((resolved_at IS NULL) = (resolution IS NULL))
);
CREATE UNIQUE INDEX incidents_one_open ON incidents (website_id) WHERE resolved_at IS NULL;
CREATE INDEX incidents_history ON incidents (website_id, started_at DESC, id DESC);

-- The outbox: a row first, then a delivery.
CREATE TABLE notifications (
    id              uuid PRIMARY KEY,
    incident_id     uuid NOT NULL REFERENCES incidents ON DELETE CASCADE,
    event           text NOT NULL CHECK (event IN ('opened', 'resolved')),
    channel         text NOT NULL CHECK (channel IN ('email')),
    recipient       text NOT NULL,
    state           text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'sent', 'failed')),
    attempts        integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    last_error      text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    sent_at         timestamptz,
    UNIQUE (incident_id, event, channel, recipient),
    CHECK ((state = 'sent') = (sent_at IS NOT NULL))
);
CREATE INDEX notifications_due ON notifications (next_attempt_at) WHERE state = 'queued';

CREATE TABLE api_keys (
    id         uuid PRIMARY KEY,
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    role       text NOT NULL CHECK (role IN ('read', 'write', 'admin')),
    -- SHA-256 of the secret part, which has 256 random bits and so needs no slow hash
    hash       bytea NOT NULL CHECK (length(hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
