-- Messages that must not be lost. Each part of a key has a column of its own: nothing is joined.
--
-- A message lies in `messages` once, as long as it waits in one queue at least; `deliveries` says in which. Positions and letters'
-- numbers are never given again, hence AUTOINCREMENT.

CREATE TABLE messages (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant   TEXT    NOT NULL,
    message  BLOB    NOT NULL CHECK (length(message) = 16),
    sender   TEXT    NOT NULL,
    address  TEXT    NOT NULL,
    frame    BLOB    NOT NULL,
    kept_ms  INTEGER NOT NULL CHECK (kept_ms >= 0),
    -- The queues it still waits in.
    waits    INTEGER NOT NULL CHECK (waits > 0)
) STRICT;

CREATE TABLE deliveries (
    tenant      TEXT    NOT NULL,
    queue       TEXT    NOT NULL,
    position    INTEGER NOT NULL,
    failures    INTEGER NOT NULL CHECK (failures >= 0),
    due_ms      INTEGER NOT NULL CHECK (due_ms >= 0),
    -- Bytes of the frame, so that a queue is weighed without its frames.
    len         INTEGER NOT NULL CHECK (len >= 0),
    -- The code of the refusal, for what is not what was kept.
    quarantined TEXT,
    PRIMARY KEY (tenant, queue, position)
) STRICT, WITHOUT ROWID;

-- Ids outlive their messages, so that a copy that comes late is known.
CREATE TABLE remembered (
    tenant   TEXT    NOT NULL,
    message  BLOB    NOT NULL CHECK (length(message) = 16),
    position INTEGER NOT NULL,
    until_ms INTEGER NOT NULL CHECK (until_ms >= 0),
    PRIMARY KEY (tenant, message)
) STRICT, WITHOUT ROWID;

CREATE INDEX remembered_by_end ON remembered (until_ms);

CREATE TABLE letters (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant            TEXT    NOT NULL,
    queue             TEXT    NOT NULL,
    message           BLOB    NOT NULL CHECK (length(message) = 16),
    sender            TEXT    NOT NULL,
    address           TEXT    NOT NULL,
    frame             BLOB    NOT NULL,
    kept_ms           INTEGER NOT NULL CHECK (kept_ms >= 0),
    cause             TEXT    NOT NULL,
    detail            TEXT    NOT NULL,
    attempts          INTEGER NOT NULL CHECK (attempts >= 0),
    died_ms           INTEGER NOT NULL CHECK (died_ms >= 0),
    replayed_ms       INTEGER CHECK (replayed_ms >= 0),
    replayed_as       BLOB    CHECK (length(replayed_as) = 16),
    replayed_position INTEGER,
    CHECK ((replayed_ms IS NULL) = (replayed_as IS NULL) AND (replayed_ms IS NULL) = (replayed_position IS NULL))
) STRICT;

CREATE INDEX letters_by_tenant ON letters (tenant);
