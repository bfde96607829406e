-- The catalog: what this machine has read, so that nothing is read twice.
--
-- This is a CACHE. Everything in it can be learnt again from the sources; deleting the file costs time,
-- never correctness. There are no migrations: a file of another version is set aside and made anew.
--
-- Times are two columns, seconds since 1970 UTC rounded down and 0 to 999,999,999 nanoseconds more, since years
-- outside 1677 to 2262 do not fit one 64-bit count of nanoseconds. Unsigned 64-bit numbers are kept by their
-- bits, so those above 2^63 show as negative.

PRAGMA application_id = 0x72766361;  -- "rvca"
PRAGMA user_version = 2;

-- One row for each regular file whose content is known, of all sources together; directories have rows without
-- checksums, so that a summary can tell new ones and moved ones are recognised. A file that was too fresh to be trusted
-- has device, inode and times 0.
-- A name lies in the directory with a number, not at a path: a directory that moves takes all below it along, and one
-- row is written for that. Rows are replaced and deleted one by one and each is true by itself.
-- Read by place: libcore/catalog/file_row.cpp.
CREATE TABLE file (
  parent     INTEGER NOT NULL,   -- `number` of the directory that the name lies in; "/" itself: 0; -1: another directory
                                 --   has taken the place, and this one was not met elsewhere yet
  name       BLOB NOT NULL,      -- its last component, raw bytes; of "/": empty; below -1: the number in decimal
  number     INTEGER,            -- of a directory, for the rows below it; NULL: there are none
  device     INTEGER,            -- st_dev when it was read; differs from boot to boot on some systems
  inode      INTEGER,
  size       INTEGER,            -- bytes
  mtime_s    INTEGER,            -- last change of content: seconds
  mtime_ns   INTEGER,            --   and nanoseconds
  ctime_s    INTEGER,            -- last change of the inode: seconds
  ctime_ns   INTEGER,            --   and nanoseconds
  btime_s    INTEGER,            -- birth: seconds; NULL where the file system does not tell
  btime_ns   INTEGER,            --   and nanoseconds
  md5        BLOB,               -- of the content, 16 bytes; NULL if never computed
  sha256     BLOB,               -- of the content, 32 bytes; NULL if never computed
  xxh3       BLOB,               -- XXH3-128 of the content, 16 bytes, canonical; NULL if never computed
  has_xattrs INTEGER,            -- 1 if it had extended attributes, else 0
  row_sum    INTEGER,            -- 32 bits over all the rest but `number`: a row that rotted on disk is not believed.
                                 --   NULL: only leads to rows below it, and nothing else is known (parents of sources)
  PRIMARY KEY (parent, name)
) STRICT, WITHOUT ROWID;

-- Finds files and directories that were moved or renamed.
CREATE INDEX file_by_inode ON file (device, inode);
-- Finds where a directory lies.
CREATE UNIQUE INDEX file_by_number ON file (number) WHERE number IS NOT NULL;

-- What a source looked like in the last revision of a set, for the guards against empty or unmounted sources.
CREATE TABLE source (
  path        BLOB NOT NULL,     -- absolute path of the source
  set_name    TEXT NOT NULL,     -- "HOST/LABEL"
  device      INTEGER NOT NULL,  -- st_dev of the source's root
  file_system TEXT NOT NULL,     -- its type, "ext4"
  entries     INTEGER NOT NULL,  -- number of names in the revision
  PRIMARY KEY (path, set_name)
) STRICT, WITHOUT ROWID;

-- Which repository was last used at a place, so that another one there is noticed.
CREATE TABLE repository (
  location BLOB PRIMARY KEY,     -- canonical text of the place
  id       TEXT NOT NULL         -- UUID of the repository
) STRICT, WITHOUT ROWID;
