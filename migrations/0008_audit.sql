-- Who changed what, when, from where: a row in the transaction of each change.
CREATE TABLE audit_log (
    seq       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT now(),
    -- null: not over the API. No reference: what happened stays true when keys are cleared away.
    key_id    uuid,
    actor     text NOT NULL,
    address   text,
    action    text NOT NULL,
    object_id text,
    -- {field: {old, new}}, secrets masked
    changes   jsonb NOT NULL,
    details   jsonb NOT NULL
);
CREATE INDEX audit_log_at ON audit_log (at);
CREATE INDEX audit_log_key ON audit_log (key_id, seq) WHERE key_id IS NOT NULL;
CREATE INDEX audit_log_object ON audit_log (object_id, seq) WHERE object_id IS NOT NULL;
CREATE INDEX audit_log_action ON audit_log (action, seq);
