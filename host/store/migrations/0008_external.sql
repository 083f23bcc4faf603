-- Agents without a component, and the tokens they come with. Of a token only its SHA-256 is kept.
--
-- They share their ids with the agents that are deployed: one id is one agent, and is never given again.

CREATE TABLE external_agents (
    tenant        TEXT    NOT NULL REFERENCES tenants (tenant),
    agent         TEXT    NOT NULL,
    revision      INTEGER NOT NULL CHECK (revision BETWEEN 1 AND 4294967295),
    manifest      TEXT    NOT NULL,
    registered_ms INTEGER NOT NULL CHECK (registered_ms >= 0),
    PRIMARY KEY (tenant, agent)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER external_agents_leave_a_tombstone AFTER DELETE ON external_agents
BEGIN
    INSERT INTO agent_tombstones (tenant, agent) VALUES (OLD.tenant, OLD.agent);
END;

CREATE TRIGGER external_agents_never_return BEFORE INSERT ON external_agents
WHEN EXISTS (SELECT 1 FROM agent_tombstones WHERE tenant = NEW.tenant AND agent = NEW.agent)
  OR EXISTS (SELECT 1 FROM deployments WHERE tenant = NEW.tenant AND agent = NEW.agent)
BEGIN
    SELECT RAISE(ABORT, 'the agent id is in use, or was');
END;

CREATE TRIGGER deployments_are_not_external BEFORE INSERT ON deployments
WHEN EXISTS (SELECT 1 FROM external_agents WHERE tenant = NEW.tenant AND agent = NEW.agent)
BEGIN
    SELECT RAISE(ABORT, 'the agent id is that of an external agent');
END;

CREATE TABLE agent_tokens (
    digest     TEXT    NOT NULL PRIMARY KEY,
    tenant     TEXT    NOT NULL,
    agent      TEXT    NOT NULL,
    created_ms INTEGER NOT NULL CHECK (created_ms >= 0),
    expires_ms INTEGER NOT NULL CHECK (expires_ms > created_ms),
    FOREIGN KEY (tenant, agent) REFERENCES external_agents (tenant, agent) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX agent_tokens_of ON agent_tokens (tenant, agent);
