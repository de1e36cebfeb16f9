-- Bulk imports: how far each came, and what became of each of its lines.

CREATE TABLE bulk_imports (
    id              uuid PRIMARY KEY,
    idempotency_key text UNIQUE CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    dry_run         boolean NOT NULL,
    -- Of the chunks stored so far. Lines count empty ones too, the outcomes do not.
    chunks          integer NOT NULL DEFAULT 0,
    lines           bigint NOT NULL DEFAULT 0,
    created         bigint NOT NULL DEFAULT 0,
    updated         bigint NOT NULL DEFAULT 0,
    unchanged       bigint NOT NULL DEFAULT 0,
    failed          bigint NOT NULL DEFAULT 0,
    -- the first failed lines, as in bulk_import_chunks.outcomes
    failures        bytea NOT NULL DEFAULT '\x90',
    created_at      timestamptz NOT NULL DEFAULT now(),
    moved_at        timestamptz NOT NULL DEFAULT now(),
    -- An import that is not finished is running while a session holds its advisory lock, else
    -- interrupted: no process has to live to say so.
    finished_at     timestamptz
);

CREATE TABLE bulk_import_chunks (
    import_id uuid NOT NULL REFERENCES bulk_imports ON DELETE CASCADE,
    number    integer NOT NULL CHECK (number > 0),
    -- of the chunk's lines as they came: what a resumed import is compared with
    digest    bytea NOT NULL CHECK (length(digest) = 32),
    failed    integer NOT NULL,
    -- MessagePack: an array of [line, outcome, id, errors, code]
    outcomes  bytea NOT NULL,
    PRIMARY KEY (import_id, number)
);
ALTER TABLE bulk_import_chunks ALTER COLUMN outcomes SET STORAGE EXTERNAL;
