-- Keys that end by themselves, say when they were last used, and are replaced by others.
ALTER TABLE api_keys
    ADD COLUMN expires_at   timestamptz,
    -- within a minute: it is not written more often
    ADD COLUMN last_used_at timestamptz,
    ADD COLUMN replaced_by  uuid REFERENCES api_keys;
-- Whom a key replaced is asked for by its id.
CREATE INDEX api_keys_replaced_by ON api_keys (replaced_by) WHERE replaced_by IS NOT NULL;
