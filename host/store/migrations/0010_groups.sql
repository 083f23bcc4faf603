-- What the members of a group share. A group without settings has no row; `group` is a word of SQL.

CREATE TABLE group_settings (
    tenant   TEXT NOT NULL REFERENCES tenants (tenant) ON DELETE CASCADE,
    group_id TEXT NOT NULL,
    name     TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (tenant, group_id, name)
) STRICT, WITHOUT ROWID;
