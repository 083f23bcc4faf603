-- What operators allow in a tenant, and versions that wait until one of them decides.

CREATE TABLE policies (
    tenant  TEXT    NOT NULL REFERENCES tenants (tenant) ON DELETE CASCADE,
    shadow   INTEGER NOT NULL CHECK (shadow IN (0, 1)),
    version INTEGER NOT NULL CHECK (version BETWEEN 0 AND 4294967295),
    text    TEXT    NOT NULL,
    set_ms  INTEGER NOT NULL CHECK (set_ms >= 0),
    PRIMARY KEY (tenant, shadow)
) STRICT, WITHOUT ROWID;

-- A version that waits goes with its agent.
CREATE TABLE pending_versions (
    tenant   TEXT    NOT NULL,
    agent    TEXT    NOT NULL,
    revision INTEGER NOT NULL CHECK (revision BETWEEN 1 AND 4294967295),
    digest   TEXT    NOT NULL,
    manifest TEXT    NOT NULL,
    start    INTEGER NOT NULL CHECK (start IN (0, 1)),
    asked_ms INTEGER NOT NULL CHECK (asked_ms >= 0),
    PRIMARY KEY (tenant, agent),
    FOREIGN KEY (tenant, agent) REFERENCES deployments (tenant, agent) ON DELETE CASCADE
) STRICT;
