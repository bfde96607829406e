-- Which objects this machine knows to be present in one repository, so that it need not ask again.
--
-- This is a CACHE. That an object is present is valid only under the gate's token it names, and only while the
-- revision it names is in the repository; whatever fails that test is a hint: it tells size and check of an object
-- if the repository still has it. Deleting the file costs looking at objects again. There are no migrations: a
-- file of another version is set aside and made anew.

PRAGMA application_id = 0x72767072;  -- "rvpr"
PRAGMA user_version = 1;

-- Exactly one row.
CREATE TABLE state (
  id       INTEGER PRIMARY KEY CHECK (id = 1),
  token    TEXT NOT NULL,        -- the gate's token that all objects were seen under; '' if none yet
  revision TEXT NOT NULL,        -- newest revision published from here under it, "HOST/LABEL/NAME"; '' if none
  next_run INTEGER NOT NULL      -- number for the next run; numbers are never used twice
) STRICT;
INSERT INTO state VALUES (1, '', '', 1);

-- Runs that published a revision under the token. Objects of other runs are hints.
CREATE TABLE published_run (
  id INTEGER PRIMARY KEY         -- a number once taken from state.next_run
) STRICT;

-- One row for each object seen.
CREATE TABLE object (
  name BLOB PRIMARY KEY,         -- raw bytes: digest, and the check behind it for variants
  size INTEGER NOT NULL,         -- bytes of content
  xxh3 BLOB,                     -- XXH3-128 of the content, 16 bytes, canonical; NULL if not known
  run  INTEGER NOT NULL          -- who saw it: published_run.id, or a run that has published nothing (yet)
) STRICT, WITHOUT ROWID;
