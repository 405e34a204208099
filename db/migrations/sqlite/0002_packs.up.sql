INSERT INTO migrations_done (version) VALUES (2);

-- A pack is a named, ordered set of sounds with a ZIP. job_id is its last build; the
-- asset is the ZIP of the last build that arrived.
CREATE TABLE packs (
    id TEXT NOT NULL PRIMARY KEY,
    owner_id TEXT NULL REFERENCES users (id),
    anon_key TEXT NULL,
    job_id TEXT NOT NULL REFERENCES jobs (id),
    name TEXT NOT NULL,
    theme TEXT NOT NULL,
    format TEXT NOT NULL,
    total INTEGER NOT NULL CHECK (total >= 1),
    asset_id TEXT NULL REFERENCES assets (id) ON DELETE RESTRICT,
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NULL,
    CHECK ((owner_id IS NULL) <> (anon_key IS NULL))
);
CREATE INDEX packs_owner ON packs (owner_id, created_at, id) WHERE owner_id IS NOT NULL;
CREATE INDEX packs_anon ON packs (anon_key, created_at, id) WHERE anon_key IS NOT NULL;
CREATE INDEX packs_job ON packs (job_id);
CREATE INDEX packs_asset ON packs (asset_id) WHERE asset_id IS NOT NULL;

-- What a job is about: the number of its sounds, its pack, and how far a pack's job is.
-- pack_id is no foreign key here and in sounds: they go before their pack does.
ALTER TABLE jobs ADD COLUMN total INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN pack_id TEXT NULL;
ALTER TABLE jobs ADD COLUMN stage TEXT NOT NULL DEFAULT '';
CREATE INDEX jobs_pack ON jobs (pack_id) WHERE pack_id IS NOT NULL;
UPDATE jobs SET total = (SELECT count(*) FROM sounds WHERE sounds.job_id = jobs.id);

-- ended_version is the version of its job by which a sound of a pack became final, 0
-- before: watchers of a pack read what is new, not five hundred sounds.
ALTER TABLE sounds ADD COLUMN pack_id TEXT NULL;
ALTER TABLE sounds ADD COLUMN ended_version INTEGER NOT NULL DEFAULT 0;
CREATE INDEX sounds_ended ON sounds (job_id, ended_version) WHERE ended_version > 0;
CREATE INDEX sounds_pack ON sounds (pack_id, position) WHERE pack_id IS NOT NULL;

-- The sounds of a pack are listed with their pack.
DROP INDEX sounds_owner;
DROP INDEX sounds_anon;
CREATE INDEX sounds_own ON sounds (owner_id, created_at, id) WHERE owner_id IS NOT NULL AND pack_id IS NULL;
CREATE INDEX sounds_visitor ON sounds (anon_key, created_at, id) WHERE anon_key IS NOT NULL AND pack_id IS NULL;
