-- What servers were found to do when they were tried.
--
-- This is a CACHE. Deleting the file has each server tried once more. There are no migrations: a file of another version is
-- set aside and made anew.

PRAGMA application_id = 0x72767376;  -- "rvsv"
PRAGMA user_version = 1;

-- One row for each place of a repository on a server, as an account sees it.
CREATE TABLE server (
  location  BLOB PRIMARY KEY,    -- canonical text of the place: user, host, port, path
  greeting  BLOB NOT NULL,       -- what the server said it was: where that changes, the rest is void
  abilities BLOB NOT NULL        -- lines "KEY: yes" or "KEY: no"
) STRICT, WITHOUT ROWID;
