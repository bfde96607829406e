-- When this machine last saw each object of one repository whole, so that verification in short turns goes on where
-- it is most due.
--
-- This is a CACHE. Deleting the file makes every object due at once. There are no migrations: a file of another
-- version is set aside and made anew.

PRAGMA application_id = 0x72767666;  -- "rvvf"
PRAGMA user_version = 1;

-- One row for each object that was once verified. Rows are replaced one by one and each is true by itself.
CREATE TABLE object (
  name     BLOB PRIMARY KEY,     -- raw bytes: digest, and the check behind it for variants
  verified INTEGER NOT NULL      -- seconds since 1970 UTC
) STRICT, WITHOUT ROWID;
