#!/bin/sh
# Gets files back out of this repository without the program that made it. Needs nothing but sh, awk, sed and
# coreutils, or busybox alone; writes only below DIR. RECOVER.txt says more.
#
#   sh restore.sh                      lists the revisions
#   sh restore.sh REV DIR [PATH...]    restores revision REV, or only PATHs of it, into DIR (new or empty)
#
# Restored: names, contents (each compared with its checksum before it gets its name), modes, times, symbolic
# and hard links, FIFOs; as root owners too. Told and left out: devices, sockets, set-id bits. Left out: extended
# attributes. XXH3 ("check") cannot be computed here: two contents with one MD5 are told apart by name only.
# Exit status: 0 all restored, 1 something is missing (it was said), 2 called wrongly.

LC_ALL=C
export LC_ALL
unset CDPATH
umask 077

say() { printf 'restore.sh: %s\n' "$*" >&2; }
die() { say "$1"; exit "${2:-1}"; }
complain() { say "$@"; failed=yes; [ ! -d "$work" ] || : >>"$work/failed"; }

case $0 in */*) here=${0%/*}/ ;; *) here=./ ;; esac
repo=$(cd "$here" && pwd && echo .) || die "cannot enter '$here'"
repo=${repo%??}
[ -f "$repo/repository.yaml" ] || die "'$repo' is not a repository"

list_revisions() {
  cd "$repo/manifests" || exit 1
  for set in */*/; do
    [ -d "$set" ] || continue
    awk '
      /^source/ { source = $0; sub(/^sourcex?: "/, "", source); sub(/"$/, "", source) }
      /^outcome: / { outcome = $2; gsub(/"/, "", outcome) }
      /^totals: / { entries = $3; sub(/,/, "", entries) }
      /^end: / { name = FILENAME; sub(/\.yaml$/, "", name); print name "  " outcome "  " entries " entries of " source }
    ' "$set"*.yaml
  done
}

# --- objects

# Sets $found to where object $1 (digest) $2 (check) lies, seen from the repository.
find_object() {
  shard=objects/${1%"${1#??}"}
  for found in "$shard/$1-$2" "$shard/$1"; do
    [ -f "$found" ] && return
  done
  for found in trash/*/"$1-$2" trash/*/"$1" "bad/$1-$2" "bad/$1" "$shard/$1-$2" "$shard/$1"; do
    [ -f "$found" ] && return
  done
  return 1
}

# Copies objects (DIGEST:CHECK...) to $work/objects and keeps those that are what their names say.
stage() (
  cd "$repo" || exit 1
  list=
  for id; do
    if find_object "${id%%:*}" "${id#*:}"; then
      list="$list $found"
    else
      complain "object ${id%%:*} is missing"
    fi
  done
  [ -n "$list" ] || exit 0
  # $list is split on purpose: nothing in it holds blanks.
  cp -f $list "$work/objects/" || complain "copying objects failed: is the disk full?"
  cd "$work/objects" || exit 1
  names=
  for path in $list; do
    [ -f "${path##*/}" ] && names="$names ${path##*/}"
  done
  [ -n "$names" ] || exit 0
  $sum $names | awk '{ want = $2; sub(/-.*/, "", want); if ($1 != want) print $2 }' |
    while read -r name; do
      complain "object $name is damaged"
      rm -f "$name"
    done
)

# --- what the plan consists of; all paths are relative to DIR and begin with ./

is_free() {
  [ ! -e "$1" ] && [ ! -L "$1" ] && return
  complain "there already: $1"
  return 1
}

# place mv|cp DIGEST CHECK PATH
place() {
  is_free "$4" || return
  from=$work/objects/$2-$3
  [ -f "$from" ] || from=$work/objects/$2
  if [ ! -f "$from" ]; then
    stage "$2:$3"
    from=$work/objects/$2-$3
    [ -f "$from" ] || from=$work/objects/$2
  fi
  if [ -f "$from" ] && "$1" "$from" "$4"; then return; fi
  complain "not restored: $4"
}
empty() { is_free "$1" && : >"$1" || complain "not restored: $1"; }
fifo() { is_free "$1" && mkfifo "$1" || complain "not restored: $1"; }
symlink() { is_free "$2" && ln -s -- "$1" "$2" || complain "not restored: $2"; }
hardlink() {
  [ -f "$1" ] || { complain "not restored: $2"; return; }
  is_free "$2" && ln "$1" "$2" || complain "not restored: $2"
}
make_dirs() { mkdir -p "$@" || complain "some directories could not be made"; }
set_modes() { chmod "$@" || complain "some modes could not be set"; }
set_owners() { [ "$(id -u)" != 0 ] || chown -h "$@" || complain "some owners could not be set"; }
set_times() { touch_all "" "$@" || complain "some times could not be set"; }
set_link_times() { touch_all -h "$@" || say "times of some symbolic links are left out"; }
# touch_all OPTION SECONDS NAME...
touch_all() {
  option=$1
  time=$2
  shift 2
  case $fraction$time in
    yes*) ;;
    no*.000000000) time=${time%.*} ;;
    no-*) time=$((${time%.*} - 1)) ;;
    *) time=${time%.*} ;;
  esac
  touch $option -c -d "@$time" "$@"
}
left_out() { say "left out ($1): $2"; }
unreadable() { complain "could not be read when it was backed up: $1"; }

# Finds out whether this touch knows fractions of a second; busybox does not.
probe_touch() {
  fraction=no
  : >"$work/probe"
  touch -c -d @1.5 "$work/probe" 2>/dev/null && fraction=yes
}

# --- the tree

# Prints the digest and check in each line of a page, or in a head's `tree`.
references() {
  awk '{
    if (!match($0, /"page": "[0-9a-f]+"/)) next
    digest = substr($0, RSTART + 9, RLENGTH - 10)
    check = match($0, /"check": "[0-9a-f]+"/) ? substr($0, RSTART + 10, RLENGTH - 11) : "-"
    print digest, check
  }'
}

# Prints the lines of the pages that $1 lists.
lines_of_pages() {
  awk '{ printf "%s%s:%s", NR % 100 == 1 ? "\nstage " : " ", $1, $2 } END { print "" }' "$1" >"$work/stage"
  . "$work/stage"
  awk '{
    file = ENVIRON["work"] "/objects/" $1 "-" $2
    if ((getline line < file) <= 0) {
      file = ENVIRON["work"] "/objects/" $1
      if ((getline line < file) <= 0) line = ""
    }
    if (line != "# reverse page 1") {
      print "restore.sh: page " $1 " is lost: what it lists cannot be restored" > "/dev/stderr"
      print "" >> (ENVIRON["work"] "/failed")
      next
    }
    while ((getline line < file) > 0) print line
    close(file)
  }' "$1"
  rm -rf "$work/objects"
  mkdir "$work/objects"
}

# Reads entries and writes the plan: scripts that call the functions above.
plan='
BEGIN {
  work = ENVIRON["work"]
  count = ENVIRON["path_count"] + 0
  for (i = 1; i <= count; i++) wanted[i] = ENVIRON["path_" i]
  for (i = 1; i <= count; i++) if (wanted[i] == "." || wanted[i] == "") count = 0
  for (i = 1; i < 256; i++) byte[sprintf("%02X", i)] = sprintf("%c", i)
  quote = "\047"
  split("dirs files links owners times modes root", plans, " ")
  for (i in plans) print "#" > (work "/" plans[i])
}

function refuse(why) {
  print "restore.sh: refused: " why ": " path > "/dev/stderr"
  refused = 1
  exit 1
}
# A string as the shell takes it.
function quoted(text,   pieces, n, i, out) {
  n = split(text, pieces, quote)
  out = pieces[1]
  for (i = 2; i <= n; i++) out = out quote "\\" quote quote pieces[i]
  return quote out quote
}
function unescaped(text,   at, out) {
  while ((at = index(text, "\\")) > 0) {
    out = out substr(text, 1, at - 1) substr(text, at + 1, 1)
    text = substr(text, at + 2)
  }
  return out text
}
function decoded(text,   at, out) {
  while ((at = index(text, "%")) > 0) {
    if (!(substr(text, at + 1, 2) in byte)) refuse("a name that cannot be")
    out = out substr(text, 1, at - 1) byte[substr(text, at + 1, 2)]
    text = substr(text, at + 3)
  }
  return out text
}
# The raw bytes of what stands behind the last KEY or KEYx of `text`; `text` is cut there.
function take_name(key, tail,   value, is_percent) {
  if (!match(text, ".*\"" key "x?\": \"")) return ""
  value = substr(text, RLENGTH + 1)
  is_percent = substr(text, RLENGTH - 4, 1) == "x"
  text = substr(text, 1, RLENGTH)
  value = unescaped(substr(value, 1, length(value) - tail))
  return is_percent ? decoded(value) : value
}
# The value of a key that stands before any name or attribute; strings here hold no quotes.
function field(key,   at, rest) {
  at = index($0, "\"" key "\": ")
  if (at == 0) return ""
  rest = substr($0, at + length(key) + 4, 80)
  if (substr(rest, 1, 1) == "\"") rest = substr(rest, 2)
  match(rest, /[",}]/)
  return substr(rest, 1, RSTART - 1)
}
# The same, refused unless it is what it should be: these values get into commands.
function digits(key,   value) {
  value = field(key)
  if (value !~ /^[0-9]+$/) refuse(key)
  return value
}
function mode(   value) {
  value = field("mode")
  if (value !~ /^[0-7][0-7][0-7][0-7]$/) refuse("mode")
  return value
}
function mtime(   value) {
  value = field("mtime")
  if (value !~ /^-?[0-9]+\.[0-9]+$/) refuse("mtime")
  return value
}
function owner() { return digits("uid") ":" digits("gid") }
function hex(key,   value) {
  value = field(key)
  if (value ~ /[^0-9a-f]/) refuse(key)
  return value
}
function order_key(text) {
  if (text ~ /[\001\002]/) gsub(/[\001\002]/, "\002&", text)
  gsub(/\//, "\001", text)
  return text
}
function is_below(text, ancestor) {
  return text == ancestor || substr(text, 1, length(ancestor) + 1) == ancestor "/"
}
# 1: wanted, 2: a directory on the way to something wanted
function selection(   i, on_the_way) {
  if (count == 0 || path == ".") return 1
  for (i = 1; i <= count; i++) {
    if (is_below(path, wanted[i])) { met[i] = 1; return 1 }
    if (is_below(wanted[i], path)) on_the_way = 2
  }
  return on_the_way
}
# Adds a name to the command NAME FIRST...; commands are written when they are long enough.
function gather(name, first,   key) {
  key = name " " first
  group[key] = group[key] " " shell_path
  gathered += length(shell_path)
  if (length(group[key]) < 30000 && gathered < 8000000) return
  write_groups()
}
function write_groups(   key, file) {
  for (key in group) {
    file = substr(key, 1, index(key, " ") - 1)
    sub(/^set_(link_)?/, "", file)
    print key " --" group[key] > (work "/" file)
  }
  split("", group)
  gathered = 0
}
function write_dirs() {
  if (new_dirs != "") print "make_dirs --" new_dirs > (work "/dirs")
  new_dirs = ""
}
function add_dir(name) {
  dirs[name] = 1
  new_dirs = new_dirs " " quoted("./" name)
  if (length(new_dirs) > 30000) write_dirs()
}
# Files go in batches: first their objects, each once, then their names; the last use of an object takes it.
function add_file(digest, check, size,   id) {
  id = digest ":" check
  if (!(id in last_use)) { stage_list = stage_list " " id; objects++ }
  batch_size++
  bytes += size
  last_use[id] = batch_size
  batch_id[batch_size] = id
  batch_path[batch_size] = shell_path
  if (objects >= 200 || bytes > 268435456 || batch_size >= 1000) write_batch()
}
function write_batch(   i, id, how) {
  if (batch_size == 0) return
  print "stage" stage_list > (work "/files")
  for (i = 1; i <= batch_size; i++) {
    id = batch_id[i]
    how = last_use[id] == i ? "mv" : "cp"
    print "place " how " " substr(id, 1, index(id, ":") - 1) " " substr(id, index(id, ":") + 1) " " batch_path[i] > (work "/files")
  }
  split("", last_use)
  stage_list = ""
  objects = bytes = batch_size = 0
}
function restore_file(   digest, check, bits, group_name) {
  digest = hex(ENVIRON["digest"])
  check = hex("check")
  if (check == "") check = "-"
  if (digest == "") { print "unreadable " shell_path > (work "/files"); return }
  group_name = field("hardlink")
  if (group_name != "") {
    group_name = group_name " " digest " " check
    if (group_name in first_of) {
      print "hardlink " first_of[group_name] " " shell_path > (work "/links")
      return
    }
    first_of[group_name] = shell_path
  }
  if (digits("size") == "0") print "empty " shell_path > (work "/files")
  else add_file(digest, check, digits("size") + 0)
  bits = mode()
  if (bits !~ /^0/) print "left_out " quote "set-id bits" quote " " shell_path > (work "/modes")
  gather("set_owners", owner())
  gather("set_times", mtime())
  gather("set_modes", "0" substr(bits, 2))
}
# DIR itself comes last of all, when nothing changes in it any more.
function restore_root() {
  print "set_owners " owner() " ." > (work "/root")
  print "set_times " mtime() " ." > (work "/root")
  print "set_modes " mode() " ." > (work "/root")
}
function restore_dir() {
  add_dir(path)
  gather("set_owners", owner())
  if (type == "dir") gather("set_times", mtime())
  dir_name[++dir_count] = shell_path
  dir_mode[dir_count] = mode()
  if (type == "repository")
    print "left_out " quote "a repository of its own, see \"Nested repositories\" in RECOVER.txt" quote " " shell_path > (work "/links")
}
function restore_symlink(   target) {
  target = take_name("target", 3 + length("\"path\": \"") + (is_percent_path ? 1 : 0))
  print "symlink " quoted(target) " " shell_path > (work "/links")
  gather("set_link_times", mtime())
  gather("set_owners", owner())
}

/^- \{/ {
  text = $0
  path = take_name("path", 2)
  is_percent_path = substr(text, length(text) - 4, 1) == "x"
  if (path != "." && ("/" path "/") ~ /\/\.?\.?\//) refuse("a path that leaves its directory")
  key = path == "." ? "" : order_key(path)
  if (seen++ && key "" <= last_key "") refuse("names out of order")
  last_key = key
  type = field("type")
  if (blocked != "" && is_below(path, blocked)) refuse("a name below something that is no directory")
  blocked = type == "dir" ? "" : path
  how = selection()
  if (!how || (how == 2 && type != "dir")) next
  parent = path
  if (!sub(/\/[^\/]*$/, "", parent)) parent = ""
  if (parent != "" && !(parent in dirs)) add_dir(parent)
  shell_path = quoted("./" path)
  if (type == "file") restore_file()
  else if (path == ".") restore_root()
  else if (type == "dir" || type == "repository") restore_dir()
  else if (type == "symlink") restore_symlink()
  else if (type == "fifo") {
    print "fifo " shell_path > (work "/files")
    gather("set_owners", owner())
    gather("set_times", mtime())
    gather("set_modes", mode())
  } else print "left_out " quoted(type (field("device") == "" ? "" : " " field("device"))) " " shell_path > (work "/links")
}

END {
  if (refused) exit 1
  write_dirs()
  write_batch()
  write_groups()
  # Directories get their modes last, innermost first: a directory may forbid us to enter it.
  for (i = dir_count; i > 0; i--) {
    names = names " " dir_name[i]
    if (i > 1 && dir_mode[i - 1] == dir_mode[i] && length(names) < 30000) continue
    print "set_modes " dir_mode[i] " --" names > (work "/modes")
    names = ""
  }
  for (i = 1; i <= count; i++)
    if (!(i in met)) print "complain " quoted("not in this revision: " wanted[i]) > (work "/links")
}'

# --- the command

check_head() {
  [ -f "$head" ] || die "there is no revision '$revision': run without arguments for a list"
  wanted=$(sed -n '$s/^end: {"lines": [0-9]*, "sha256": "\([0-9a-f]*\)"}$/\1/p' "$head")
  [ -n "$wanted" ] || die "'$head' is cut short"
  found=$(sed '$d' "$head" | sha256sum) || die "no sha256sum"
  [ "${found%% *}" = "$wanted" ] || die "'$head' is damaged"
  [ "$(sed -n 1p "$head")" = 'reverse-manifest: 1' ] || die "'$head' has another format"
  digest=$(sed -n 's/^digest: "\(.*\)"$/\1/p' "$head")
  case $digest in md5 | sha256) sum=${digest}sum ;; *) die "unknown digest '$digest'" ;; esac
}

enter_target() {
  mkdir -p -- "$1" || exit 1
  [ -z "$(ls -A -- "$1")" ] || die "'$1' is not empty" 2
  cd -- "$1" || exit 1
  work=$(pwd && echo .)
  work=${work%??}/.restore.$$
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM
  mkdir "$work" "$work/objects" || exit 1
  export work digest
}

restore() {
  revision=${1#manifests/}
  revision=${revision%.yaml}
  head=$repo/manifests/$revision.yaml
  check_head
  enter_target "$2"
  shift 2
  path_count=0
  for path; do
    path=${path#./}
    path_count=$((path_count + 1))
    export "path_$path_count=${path%/}"
  done
  export path_count
  probe_touch

  sed -n 's/^tree: //p' "$head" | references >"$work/pages"
  level=$(sed -n 's/^tree: .*"level": \([0-9]*\),.*/\1/p' "$head")
  while [ "${level:-0}" -gt 0 ]; do
    lines_of_pages "$work/pages" >"$work/lines"
    references <"$work/lines" >"$work/pages"
    [ -s "$work/pages" ] || die "the pages of this revision are lost"
    level=$((level - 1))
  done
  lines_of_pages "$work/pages" >"$work/lines"
  awk "$plan" "$work/lines" || die "nothing was restored"
  rm -f "$work/lines"
  . "$work/dirs"
  . "$work/files"
  . "$work/links"
  . "$work/owners"
  . "$work/times"
  . "$work/modes"
  failed=no
  [ ! -e "$work/failed" ] || failed=yes
  root=$(cat "$work/root")
  rm -rf "$work"
  eval "$root"
  [ "$failed" = no ] || die "finished, but not everything was restored: see above"
}

case $# in
  0) list_revisions ;;
  1) die "usage: restore.sh [REV DIR [PATH...]]" 2 ;;
  *) restore "$@" ;;
esac
