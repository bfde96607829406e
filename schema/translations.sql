-- What contents of one repository are called by the other digest, so that a sync between repositories with different
-- digests hashes each content once and not each time.
--
-- This is a CACHE. Deleting the file has everything read and hashed once more. There are no migrations: a file of another
-- version is set aside and made anew.

PRAGMA application_id = 0x72767472;  -- "rvtr"
PRAGMA user_version = 1;

-- One row for each content that was read whole, was what its name says, and was hashed by this program.
CREATE TABLE translation (
  name  BLOB PRIMARY KEY,     -- raw bytes as the repository names it: digest, and its check behind it where it has one
  size  INTEGER NOT NULL,     -- bytes of the content
  other BLOB NOT NULL         -- the same by the other digest
) STRICT, WITHOUT ROWID;
