INSERT INTO migrations_done (version) VALUES (3);

-- What ops have set while all runs: how much of everything, by key. An absent key means
-- the default.
CREATE TABLE settings (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL CHECK (json_valid(value)),
    updated_at TIMESTAMP NOT NULL,
    updated_by TEXT NOT NULL
);

-- Who did what as ops. Rows are added, never changed.
CREATE TABLE audit_events (
    id TEXT NOT NULL PRIMARY KEY,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL CHECK (json_valid(detail)),
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX audit_events_created ON audit_events (created_at, id);

-- name is what the settings of one worker are kept by: it outlives the process. The
-- others are what the worker has last told of itself.
ALTER TABLE workers ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE workers ADD COLUMN running INTEGER NOT NULL DEFAULT 0;
ALTER TABLE workers ADD COLUMN cpu REAL NOT NULL DEFAULT 0;
ALTER TABLE workers ADD COLUMN memory INTEGER NOT NULL DEFAULT 0;
ALTER TABLE workers ADD COLUMN cpus INTEGER NOT NULL DEFAULT 0;

-- A task that was there when a worker crashed runs alone.
ALTER TABLE tasks ADD COLUMN crashes INTEGER NOT NULL DEFAULT 0;
CREATE INDEX tasks_dead ON tasks (finished_at, id) WHERE state = 'failed';

-- What was deleted is hidden at once, and goes after a grace.
ALTER TABLE sounds ADD COLUMN deleted_at TIMESTAMP NULL;
ALTER TABLE packs ADD COLUMN deleted_at TIMESTAMP NULL;
CREATE INDEX sounds_deleted ON sounds (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX packs_deleted ON packs (deleted_at) WHERE deleted_at IS NOT NULL;

-- The audio of users' sounds goes after a time, and is rendered again where it is wanted.
CREATE INDEX sounds_audio ON sounds (finished_at) WHERE owner_id IS NOT NULL AND asset_id IS NOT NULL;

-- Ops list everybody's jobs, and those of one owner.
CREATE INDEX jobs_created ON jobs (created_at, id);
CREATE INDEX jobs_visitor ON jobs (anon_key, created_at, id) WHERE anon_key IS NOT NULL;
