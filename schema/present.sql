-- Which objects this machine knows to be present in one repository, so that it need not ask again.
--
-- This is a CACHE. That an object is present is valid only under the gate's token it names, and only while the
-- revision it names is in the repository; whatever fails that test is a hint: it tells size and check of an object
-- if the repository still has it. Deleting the file costs looking at objects again. There are no migrations: a
-- file of another version is set aside and made anew.

PRAGMA application_id = 0x72767072;  -- "rvpr"
PRAGMA user_version = 3;

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

-- One row for each page of entries (schema/FORMAT.md, "Pages") of what was last backed up of a source, with what was seen of
-- the names in it: while they all look the same the page is the same, and nothing in it needs to be looked up or written.
-- Each row is true by itself.
CREATE TABLE page (
  source  BLOB NOT NULL,         -- absolute path of the source
  first   BLOB NOT NULL,         -- path of the page's first entry relative to it, each '/' as byte 0; empty: the source itself
  seen    BLOB NOT NULL,         -- XXH3-128 over what was seen of its entries, 16 bytes (libcore/engine/seen_entries.h)
  digest  BLOB NOT NULL,         -- of the page, raw bytes
  xxh3    BLOB,                  -- its check, 16 bytes; NULL if the digest has none
  size    INTEGER NOT NULL,      -- bytes of the page
  entries INTEGER NOT NULL,      -- in the page
  run     INTEGER NOT NULL,      -- who wrote it, as in `object`
  marks   BLOB NOT NULL,         -- XXH3-64 over what was seen of each entry, 8 bytes each in their order
  PRIMARY KEY (source, first)
) STRICT, WITHOUT ROWID;
