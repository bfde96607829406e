-- Uploads of large files to one repository that had not ended when they were last heard of, so that a later run goes on
-- with them instead of beginning anew.
--
-- This is a CACHE. Deleting the file has those uploads begun anew. Nothing in it is relied upon: what the repository
-- holds is read back before it gets a name. There are no migrations: a file of another version is set aside and made
-- anew.

PRAGMA application_id = 0x72767570;  -- "rvup"
PRAGMA user_version = 1;

-- One row for each source file, in each set that it is backed up in, and for each object copied from another repository:
-- only who holds the lock of a set, or of the copies from there, may go on with its uploads. Unsigned 64-bit numbers are kept by their bits.
CREATE TABLE upload (
  set_name  TEXT NOT NULL,       -- "HOST/LABEL"; the id of the other repository
  path      BLOB NOT NULL,       -- of the source file, absolute; the object's name
  inode     INTEGER NOT NULL,    -- of the source file when it was opened, like what follows: another file, or another
  size      INTEGER NOT NULL,    --   state of it, is begun anew; bytes. Of objects all but the size is 0
  mtime_s   INTEGER NOT NULL,    -- seconds since 1970 UTC, rounded down
  mtime_ns  INTEGER NOT NULL,    --   and nanoseconds
  ctime_s   INTEGER NOT NULL,
  ctime_ns  INTEGER NOT NULL,
  temporary TEXT NOT NULL,       -- name in the repository's tmp/
  confirmed INTEGER NOT NULL,    -- bytes from the beginning that the repository has told to have
  noted_s   INTEGER NOT NULL,    -- when that was: seconds since 1970 UTC, by this machine's clock
  PRIMARY KEY (set_name, path)
) STRICT, WITHOUT ROWID;
