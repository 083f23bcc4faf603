-- Control state: tenants, what they have deployed, and the cards of their agents.
--
-- The tenant comes first in every key. Tables are STRICT: a value of the wrong type is refused when it is written.
-- Ids are never given again: the triggers hold this, whatever statement a later verb deletes with.

CREATE TABLE tenants (
    tenant     TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    created_ms INTEGER NOT NULL CHECK (created_ms >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE tenant_tombstones (
    tenant TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TRIGGER tenants_leave_a_tombstone AFTER DELETE ON tenants
BEGIN
    INSERT INTO tenant_tombstones (tenant) VALUES (OLD.tenant);
END;

CREATE TRIGGER tenants_never_return BEFORE INSERT ON tenants
WHEN EXISTS (SELECT 1 FROM tenant_tombstones WHERE tenant = NEW.tenant)
BEGIN
    SELECT RAISE(ABORT, 'the tenant id was used before');
END;

CREATE TABLE deployments (
    tenant      TEXT    NOT NULL REFERENCES tenants (tenant),
    agent       TEXT    NOT NULL,
    revision    INTEGER NOT NULL CHECK (revision BETWEEN 1 AND 4294967295),
    digest      TEXT    NOT NULL,
    manifest    TEXT    NOT NULL,
    desired     TEXT    NOT NULL CHECK (desired IN ('running', 'stopped')),
    deployed_ms INTEGER NOT NULL CHECK (deployed_ms >= 0),
    PRIMARY KEY (tenant, agent)
) STRICT;

CREATE TABLE agent_tombstones (
    tenant TEXT NOT NULL,
    agent  TEXT NOT NULL,
    PRIMARY KEY (tenant, agent)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER deployments_leave_a_tombstone AFTER DELETE ON deployments
BEGIN
    INSERT INTO agent_tombstones (tenant, agent) VALUES (OLD.tenant, OLD.agent);
END;

CREATE TRIGGER deployments_never_return BEFORE INSERT ON deployments
WHEN EXISTS (SELECT 1 FROM agent_tombstones WHERE tenant = NEW.tenant AND agent = NEW.agent)
BEGIN
    SELECT RAISE(ABORT, 'the agent id was used before');
END;

-- A card goes with its deployment, so that a late save cannot bring a deleted agent back into the registry.
CREATE TABLE cards (
    tenant TEXT NOT NULL,
    agent  TEXT NOT NULL,
    card   TEXT NOT NULL,
    PRIMARY KEY (tenant, agent),
    FOREIGN KEY (tenant, agent) REFERENCES deployments (tenant, agent) ON DELETE CASCADE
) STRICT;
