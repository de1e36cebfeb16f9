-- People who sign in. What they prove themselves with is stored as hashes alone.
CREATE TABLE users (
    id               uuid PRIMARY KEY,
    email            text NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    role             text NOT NULL CHECK (role IN ('read', 'write', 'admin')),
    zone             text NOT NULL,
    -- Argon2id (RFC 9106) with its parameters; null until a link was used to choose one
    password_hash    text,
    created_at       timestamptz NOT NULL DEFAULT now(),
    disabled_at      timestamptz,
    -- within a minute
    last_seen_at     timestamptz
);
-- An address is one person's, however it is written. Addresses are ASCII, so "C" folds them all.
CREATE UNIQUE INDEX users_email ON users (lower(email COLLATE "C"));
-- Who could take care of the others; the last of them stays.
CREATE INDEX users_admins ON users (id)
    WHERE role = 'admin' AND disabled_at IS NULL AND password_hash IS NOT NULL;

-- Links that are used once: to become the first admin, to accept an invitation, to choose another
-- password.
CREATE TABLE user_links (
    -- SHA-256 of the token, which has 256 random bits and so needs no slow hash
    hash       bytea PRIMARY KEY CHECK (length(hash) = 32),
    purpose    text NOT NULL CHECK (purpose IN ('first_admin', 'invitation', 'reset')),
    -- null: who uses it says who they are
    user_id    uuid REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    CHECK ((user_id IS NULL) = (purpose = 'first_admin'))
);
-- A new link takes the place of the one before: of each person, and of the first admin.
CREATE UNIQUE INDEX user_links_user ON user_links (user_id) WHERE user_id IS NOT NULL;
CREATE UNIQUE INDEX user_links_first_admin ON user_links (purpose) WHERE user_id IS NULL;

CREATE TABLE user_sessions (
    id           uuid PRIMARY KEY,
    hash         bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    user_id      uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    -- within a minute
    last_used_at timestamptz NOT NULL DEFAULT now(),
    user_agent   text NOT NULL,
    address      text
);
CREATE INDEX user_sessions_user ON user_sessions (user_id, id);

-- Browsers in which a person has signed in before: strangers cannot shut them out.
CREATE TABLE user_browsers (
    user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    hash       bytea NOT NULL CHECK (length(hash) = 32),
    -- of the last sign-in
    used_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, hash)
);
CREATE INDEX user_browsers_hash ON user_browsers (hash);

-- How many passwords an account, an address or a browser may still try: when all of its tries are
-- there again (GCRA). The names are hashed: what people type into the field for their address may
-- be a password. Lost in a crash, because it is not worth a write to the disk each time.
CREATE UNLOGGED TABLE sign_in_limits (
    name    bytea PRIMARY KEY CHECK (length(name) = 32),
    full_at timestamptz NOT NULL
);
CREATE INDEX sign_in_limits_full_at ON sign_in_limits (full_at);

-- Who made a key: whoever is disabled may have left some.
ALTER TABLE api_keys ADD COLUMN created_by uuid REFERENCES users ON DELETE SET NULL;
CREATE INDEX api_keys_created_by ON api_keys (created_by) WHERE created_by IS NOT NULL;

-- Null: not a person. No reference: what happened stays true when people are removed.
ALTER TABLE audit_log ADD COLUMN user_id uuid;
CREATE INDEX audit_log_user ON audit_log (user_id, seq) WHERE user_id IS NOT NULL;
