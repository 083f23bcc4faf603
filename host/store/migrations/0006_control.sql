-- What operators decided about tenants and agents: who is stopped, and what a tenant may use.
--
-- No row is the default: an active tenant, the host's limits, an agent at liberty. Rows go with whom they are about.

CREATE TABLE tenant_stops (
    tenant   TEXT    NOT NULL PRIMARY KEY REFERENCES tenants (tenant) ON DELETE CASCADE,
    state    TEXT    NOT NULL CHECK (state IN ('suspended', 'quarantined')),
    reason   TEXT    NOT NULL,
    since_ms INTEGER NOT NULL CHECK (since_ms >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE tenant_quotas (
    tenant TEXT    NOT NULL REFERENCES tenants (tenant) ON DELETE CASCADE,
    name   TEXT    NOT NULL,
    value  INTEGER NOT NULL CHECK (value > 0),
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_quarantines (
    tenant   TEXT    NOT NULL,
    agent    TEXT    NOT NULL,
    reason   TEXT    NOT NULL,
    since_ms INTEGER NOT NULL CHECK (since_ms >= 0),
    PRIMARY KEY (tenant, agent),
    FOREIGN KEY (tenant, agent) REFERENCES deployments (tenant, agent) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
