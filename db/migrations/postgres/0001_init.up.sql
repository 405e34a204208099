-- Both sets are compared by a test: keep one column or table constraint to a line.

-- One row for each migration that is through. It is written inside the migration,
-- so that a crash between golang-migrate's two notes of a version can be told
-- from a crash within the migration.
CREATE TABLE migrations_done (
    version BIGINT NOT NULL PRIMARY KEY
);
INSERT INTO migrations_done (version) VALUES (1);

CREATE TABLE users (
    id UUID NOT NULL PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    display_name TEXT NOT NULL DEFAULT '',
    role TEXT NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'admin')),
    is_active BOOLEAN NOT NULL DEFAULT TRUE,
    verified BOOLEAN NOT NULL DEFAULT FALSE,
    terms_version TEXT NOT NULL DEFAULT '',
    quota_bytes BIGINT NULL,
    quota_renders BIGINT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

-- The row of an asset is its commit: a blob without one does not exist.
CREATE TABLE assets (
    id UUID NOT NULL PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    key TEXT NOT NULL UNIQUE,
    size BIGINT NOT NULL CHECK (size >= 0),
    etag TEXT NOT NULL,
    format TEXT NOT NULL,
    engine TEXT NOT NULL,
    encoder TEXT NOT NULL,
    frames BIGINT NOT NULL CHECK (frames >= 0),
    sample_rate INTEGER NOT NULL,
    channels INTEGER NOT NULL,
    peaks BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

-- Blobs that no asset names any more, and when they may go.
CREATE TABLE blob_trash (
    key TEXT NOT NULL PRIMARY KEY,
    after TIMESTAMPTZ NOT NULL
);
CREATE INDEX blob_trash_after ON blob_trash (after);

CREATE TABLE jobs (
    id UUID NOT NULL PRIMARY KEY,
    owner_id UUID NULL REFERENCES users (id),
    anon_key TEXT NULL,
    kind TEXT NOT NULL,
    lane TEXT NOT NULL CHECK (lane IN ('interactive', 'bulk')),
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    version BIGINT NOT NULL CHECK (version >= 1),
    remaining INTEGER NOT NULL CHECK (remaining >= 0),
    failed_count INTEGER NOT NULL DEFAULT 0 CHECK (failed_count >= 0),
    retry_of UUID NULL REFERENCES jobs (id) ON DELETE SET NULL,
    error JSONB NULL,
    created_at TIMESTAMPTZ NOT NULL,
    started_at TIMESTAMPTZ NULL,
    finished_at TIMESTAMPTZ NULL,
    expires_at TIMESTAMPTZ NULL,
    CHECK ((owner_id IS NULL) <> (anon_key IS NULL))
);
CREATE INDEX jobs_owner ON jobs (owner_id, created_at, id) WHERE owner_id IS NOT NULL;
CREATE INDEX jobs_retry_of ON jobs (retry_of) WHERE retry_of IS NOT NULL;
CREATE INDEX jobs_expiry ON jobs (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE sounds (
    id UUID NOT NULL PRIMARY KEY,
    owner_id UUID NULL REFERENCES users (id),
    anon_key TEXT NULL,
    job_id UUID NOT NULL REFERENCES jobs (id),
    position INTEGER NOT NULL CHECK (position >= 0),
    parent_id UUID NULL REFERENCES sounds (id) ON DELETE SET NULL,
    prompt TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    patch JSONB NOT NULL,
    format TEXT NOT NULL,
    explanation JSONB NOT NULL,
    asset_id UUID NULL REFERENCES assets (id) ON DELETE RESTRICT,
    error JSONB NULL,
    created_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ NULL,
    expires_at TIMESTAMPTZ NULL,
    CHECK ((owner_id IS NULL) <> (anon_key IS NULL)),
    UNIQUE (job_id, position)
);
CREATE INDEX sounds_owner ON sounds (owner_id, created_at, id) WHERE owner_id IS NOT NULL;
CREATE INDEX sounds_anon ON sounds (anon_key, created_at, id) WHERE anon_key IS NOT NULL;
CREATE INDEX sounds_parent ON sounds (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX sounds_asset ON sounds (asset_id) WHERE asset_id IS NOT NULL;

-- worker_id names a row of workers while the task runs, and is no foreign key:
-- striking off a worker must not touch all that it ever rendered.
CREATE TABLE tasks (
    id UUID NOT NULL PRIMARY KEY,
    job_id UUID NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    sound_id UUID NULL REFERENCES sounds (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    lane TEXT NOT NULL CHECK (lane IN ('interactive', 'bulk')),
    owner TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    attempt INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    not_before TIMESTAMPTZ NOT NULL,
    tag BIGINT NOT NULL,
    cost BIGINT NOT NULL CHECK (cost > 0),
    reused BOOLEAN NOT NULL DEFAULT FALSE,
    worker_id UUID NULL,
    error JSONB NULL,
    created_at TIMESTAMPTZ NOT NULL,
    released_at TIMESTAMPTZ NULL,
    started_at TIMESTAMPTZ NULL,
    finished_at TIMESTAMPTZ NULL
);
CREATE INDEX tasks_job ON tasks (job_id);
CREATE INDEX tasks_sound ON tasks (sound_id, id) WHERE sound_id IS NOT NULL;
CREATE INDEX tasks_queue ON tasks (lane, tag, id, cost) WHERE state = 'queued';
CREATE INDEX tasks_released ON tasks (released_at) WHERE state = 'queued' AND released_at IS NOT NULL;
CREATE INDEX tasks_running ON tasks (worker_id) WHERE state = 'running';
CREATE INDEX tasks_owner ON tasks (owner) WHERE state IN ('queued', 'running');
CREATE INDEX tasks_finished ON tasks (finished_at) WHERE state = 'succeeded';

CREATE TABLE workers (
    id UUID NOT NULL PRIMARY KEY,
    host TEXT NOT NULL,
    version TEXT NOT NULL,
    slots INTEGER NOT NULL CHECK (slots >= 0),
    beat BIGINT NOT NULL DEFAULT 0,
    started_at TIMESTAMPTZ NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE idempotency_keys (
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    request_hash BYTEA NOT NULL,
    job_id UUID NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (owner, key)
);
CREATE INDEX idempotency_keys_job ON idempotency_keys (job_id);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);

-- Fair shares: the clock of a lane is the highest tag released so far, an owner's
-- mark the tag of the last task that it queued there.
CREATE TABLE lanes (
    lane TEXT NOT NULL PRIMARY KEY,
    clock BIGINT NOT NULL DEFAULT 0
);
INSERT INTO lanes (lane) VALUES ('interactive'), ('bulk');

CREATE TABLE fair_shares (
    owner TEXT NOT NULL,
    lane TEXT NOT NULL REFERENCES lanes (lane),
    tag BIGINT NOT NULL,
    PRIMARY KEY (owner, lane)
);
CREATE INDEX fair_shares_tag ON fair_shares (lane, tag);
