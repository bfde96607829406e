-- Which paths one repository's revisions hold, so that questions over hundreds of revisions are answered without reading
-- their pages again. A path has a row for each run of revisions in which it stayed the same, and a row is written only
-- where something changed: the file grows with the changes, not with the number of revisions.
--
-- This is a CACHE. Deleting the file costs reading every distinct page once more. There are no migrations: a file of
-- another version is set aside and made anew.

PRAGMA application_id = 0x72766869;  -- "rvhi"
PRAGMA user_version = 1;

-- HOST/LABEL
CREATE TABLE source_set (
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

-- Revisions in the order in which they were taken up: ids ascend within a set, but need not follow time. The last one
-- of a set stays when the repository does not hold it any more, since the next is compared with it.
CREATE TABLE revision (
  id     INTEGER PRIMARY KEY AUTOINCREMENT,
  set_id INTEGER NOT NULL REFERENCES source_set,
  name   TEXT NOT NULL,                -- 20140125T100000Z-6f0c2a7e
  tree   TEXT NOT NULL,                -- the reference to its root page, as in its head
  tags   TEXT NOT NULL,                -- each ended by a newline
  bytes  INTEGER NOT NULL,             -- of all its files
  listed INTEGER NOT NULL DEFAULT 1,   -- 0: the repository does not hold it any more
  UNIQUE (set_id, name)
) STRICT;
CREATE INDEX revision_order ON revision (set_id, listed, id);

-- A path as it was in all revisions of a set from `first` to `last`, as far as they are in `revision`.
CREATE TABLE entry (
  set_id   INTEGER NOT NULL REFERENCES source_set,
  path     BLOB NOT NULL,              -- raw bytes, relative to the source
  first    INTEGER NOT NULL,           -- revision.id
  last     INTEGER,                    -- NULL: it is so in the set's last revision
  type     INTEGER NOT NULL,           -- FileType
  mode     INTEGER NOT NULL,
  uid      INTEGER NOT NULL,
  gid      INTEGER NOT NULL,
  owner    TEXT NOT NULL,              -- "joe:users"
  mtime    INTEGER NOT NULL,           -- seconds since 1970 UTC
  mtime_ns INTEGER NOT NULL,
  size     INTEGER NOT NULL,           -- bytes
  content  BLOB,                       -- files: raw bytes of the digest, and the check behind it
  is_new   INTEGER NOT NULL            -- 1: the path had not this content in the revision before `first`
) STRICT;
CREATE UNIQUE INDEX entry_open ON entry (set_id, path) WHERE last IS NULL;
CREATE INDEX entry_content ON entry (content) WHERE content IS NOT NULL;

-- Contents with the first and the last revision that holds them, of those that the repository still has.
CREATE VIEW held AS
  SELECT set_id, content, size,
    (SELECT min(id) FROM revision AS r WHERE r.set_id = e.set_id AND listed = 1
      AND id BETWEEN e.first AND coalesce(e.last, 9223372036854775807)) AS lowest,
    (SELECT max(id) FROM revision AS r WHERE r.set_id = e.set_id AND listed = 1
      AND id BETWEEN e.first AND coalesce(e.last, 9223372036854775807)) AS highest
  FROM entry AS e WHERE content IS NOT NULL AND lowest IS NOT NULL;
