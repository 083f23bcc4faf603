-- What agents keep as keys and values. The tenant comes first in every key, and each part has a column of its own: nothing is joined.
--
-- Keys are bytes, so that they are compared as bytes, NUL among them.

CREATE TABLE entries (
    tenant     TEXT    NOT NULL,
    agent      TEXT    NOT NULL,
    key        BLOB    NOT NULL,
    value      BLOB    NOT NULL,
    expires_ms INTEGER,
    PRIMARY KEY (tenant, agent, key)
) STRICT;

CREATE INDEX entries_by_expiry ON entries (tenant, expires_ms) WHERE expires_ms IS NOT NULL;
