-- How often each lease was granted. A number only grows: writes under an earlier one are refused in their own transaction.
--
-- `scope` is `groups.{group}` or `agents.{agent}`: a dot is in no id.

CREATE TABLE leases (
    tenant TEXT    NOT NULL,
    scope  TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    token  INTEGER NOT NULL,
    PRIMARY KEY (tenant, scope, name)
) STRICT;
