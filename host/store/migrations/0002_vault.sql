-- The vault's keys and secrets, sealed under a key that is not here, and the memory of replays.
--
-- A tenant's rows go with it: without them, nothing that was sealed or signed for it can be opened or believed.

CREATE TABLE signing_keys (
    tenant     TEXT    NOT NULL REFERENCES tenants (tenant) ON DELETE CASCADE,
    key_id     TEXT    NOT NULL,
    -- NULL for the host's own.
    agent      TEXT,
    state      TEXT    NOT NULL CHECK (state IN ('active', 'retired', 'revoked')),
    created_ms INTEGER NOT NULL CHECK (created_ms >= 0),
    ended_ms   INTEGER CHECK (ended_ms >= 0),
    sealed     BLOB,
    PRIMARY KEY (tenant, key_id),
    CHECK ((state = 'active') = (ended_ms IS NULL)),
    CHECK ((state = 'revoked') = (sealed IS NULL))
) STRICT;

CREATE UNIQUE INDEX one_key_of_a_principal_signs ON signing_keys (tenant, ifnull(agent, '')) WHERE state = 'active';

CREATE TABLE secrets (
    tenant     TEXT    NOT NULL REFERENCES tenants (tenant) ON DELETE CASCADE,
    name       TEXT    NOT NULL,
    updated_ms INTEGER NOT NULL CHECK (updated_ms >= 0),
    sealed     BLOB    NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT;

CREATE TABLE replays (
    tenant   TEXT    NOT NULL REFERENCES tenants (tenant) ON DELETE CASCADE,
    message  TEXT    NOT NULL,
    position INTEGER NOT NULL CHECK (position >= 0),
    done     INTEGER NOT NULL CHECK (done IN (0, 1)),
    until_ms INTEGER NOT NULL CHECK (until_ms >= 0),
    PRIMARY KEY (tenant, message)
) STRICT, WITHOUT ROWID;

CREATE INDEX replays_by_end ON replays (until_ms);

-- How many a tenant has, so that its bound costs no count.
CREATE TABLE replay_counts (
    tenant TEXT    NOT NULL PRIMARY KEY REFERENCES tenants (tenant) ON DELETE CASCADE,
    len    INTEGER NOT NULL CHECK (len >= 0)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER replays_are_counted AFTER INSERT ON replays
BEGIN
    INSERT INTO replay_counts (tenant, len) VALUES (NEW.tenant, 1) ON CONFLICT (tenant) DO UPDATE SET len = len + 1;
END;

CREATE TRIGGER replays_are_counted_off AFTER DELETE ON replays
BEGIN
    UPDATE replay_counts SET len = len - 1 WHERE tenant = OLD.tenant;
END;
