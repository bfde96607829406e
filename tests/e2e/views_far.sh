# Views on another host, over plain SFTP: as here, but for fractions of a second; by `ln` where SFTP makes no links; said where
# neither can be had.
# needs: root
. "$E2E/lib.sh"
. "$E2E/ssh_lib.sh"

mkdir -p src/docs/deep/er src/old
for i in {1..50}; do echo "content $i" >"src/docs/$i"; done
echo text >src/docs/deep/er/file
echo text >src/same
echo gone >src/old/gone
printf '' >src/empty
ln -s docs/1 src/link
echo odd >"src/docs/new
line 'quoted' \$x"
touch -d '2001-02-03 04:05:06' src/docs src/docs/deep

# meet_server [LINE...]: start_server, and its key is known.
meet_server() {
  start_server "$@"
  ssh-keyscan -p "$port" 127.0.0.1 2>/dev/null >home/.ssh/known_hosts
}
meet_server
expect 0 reverse -q --label home ./src "lb:$PWD/repo"

# tree DIR: names, types, modes, contents, and times of directories.
tree() {
  (cd "$1" && find . -mindepth 1 \( -type d -printf '%P/ %m %Ts\n' -o -type l -printf '%P -> %l\n' -o -empty -printf '%P %m\n' -o -printf '%P %m %i\n' \) | sort)
}

for way in SFTP ln; do
  [ $way = SFTP ] || sftp_server='internal-sftp -P hardlink' meet_server
  step "by $way: a view over the line is the one made here"
  expect 0 reverse view "lb:$PWD/repo" latest "lb:$PWD/far"
  says stdout "files made"
  expect 0 reverse view -q ./repo latest ./near
  tree far >far.tree
  tree near | cmp - far.tree || fail "they differ: $(tree near | diff - far.tree)"
  [ "$(stat -c %a far)" = 700 ] || fail "mode $(stat -c %a far)"
  [ "$(stat -c %h far/same)" -ge 4 ] || fail "no links"

  step "by $way: --update by what is different, and what is not different is not touched"
  kept=$(stat -c %Z far/docs/deep)
  echo changed >src/docs/1
  rm -r src/old
  mkdir -p src/new/deep
  echo new >src/new/deep/file
  rm src/link && echo 'a file now' >src/link
  expect 0 reverse -q --label home ./src "lb:$PWD/repo"
  expect 0 reverse view --json --update "lb:$PWD/repo" latest "lb:$PWD/far"
  [ "$(json files)" = 3 ] || fail "$(json files) files made"
  expect 0 reverse view -q --update ./repo latest ./near
  tree far >far.tree
  tree near | cmp - far.tree || fail "they differ: $(tree near | diff - far.tree)"
  [ "$kept" = "$(stat -c %Z far/docs/deep)" ] || fail "a directory was touched for nothing"

  step "by $way: --remove removes it, and objects keep their modes"
  expect 0 reverse view --remove "lb:$PWD/far"
  [ ! -e far ] && [ ! -e .far.reverse-view ] || fail "something is left"
  expect 0 reverse view -q --remove ./near
  expect 0 reverse verify -q ./repo
  rm -rf src/new src/link && mkdir src/old && echo gone >src/old/gone && ln -s docs/1 src/link && echo 'content 1' >src/docs/1
  expect 0 reverse -q --label home ./src "lb:$PWD/repo"
done
meet_server

step "--all keeps a view for each revision, and the latest"
expect 0 reverse view --all "lb:$PWD/repo" "lb:$PWD/all"
set=all/laptop/home
[ "$(find "$set" -mindepth 1 -maxdepth 1 -type d | wc -l)" = 5 ] || fail "$(ls -la "$set")"
cmp -s "$set/latest/docs/1" src/docs/1 || fail "latest is not the newest"
expect 0 reverse forget -q "lb:$PWD/repo" laptop/home~4
expect 0 reverse view --json --all "lb:$PWD/repo" "lb:$PWD/all"
[ "$(json files)" = 0 ] && [ "$(json removed)" = 1 ] || fail "$(cat stdout)"

step "a view whose making was cut short is made anew; other directories are left alone"
expect 0 reverse view -q "lb:$PWD/repo" latest "lb:$PWD/far"
sed -i s/whole/begun/ .far.reverse-view
rm -rf far/docs
expect 0 reverse view -q "lb:$PWD/repo" latest "lb:$PWD/far"
[ -e far/docs/1 ] || fail "it is not whole"
expect 1 reverse view "lb:$PWD/repo" latest "lb:$PWD/far"
says stderr "--update"
expect 1 reverse view "lb:$PWD/repo" latest "lb:$PWD/src"
expect 1 reverse view --remove "lb:$PWD/src"
expect 2 reverse view "lb:$PWD/repo" latest "lb:$PWD/repo/view"
expect 2 reverse view "lb:$PWD/repo" latest ./far
says stderr "reverse restore"
[ -e src/docs/1 ] || fail "the source is gone"

step "an object that is missing is named, and found again in the trash"
object=$(echo 'content 7' | md5sum)
object=${object%% *}
mv "repo/objects/${object:0:2}/$object" kept
expect 0 reverse view --remove "lb:$PWD/far"
expect 4 reverse view "lb:$PWD/repo" latest "lb:$PWD/far"
says stderr "docs/7"
mkdir -p repo/trash/0123456789abcdef0123456789abcdef
mv kept "repo/trash/0123456789abcdef0123456789abcdef/$object"
expect 0 reverse view -q "lb:$PWD/repo" latest "lb:$PWD/far"
[ "$(cat far/docs/7)" = 'content 7' ] || fail "another content"

step "an object without room for links is copied once, and the copy is linked"
object=$(echo text | md5sum)
mkdir links
if command -v perl >/dev/null && perl -e 'for (1..70000) { link($ARGV[0], "links/$_") or exit($!{EMLINK} ? 0 : 2) } exit 1' "repo/objects/${object:0:2}/${object%% *}"; then
  expect 0 reverse view --json "lb:$PWD/repo" latest "lb:$PWD/full"
  [ "$(json copied)" = 1 ] || fail "copied: $(json copied)"
  [ "$(cat full/same full/docs/deep/er/file)" = $'text\ntext' ] || fail "another content"
  [ "$(stat -c '%i %h %a' full/same)" = "$(stat -c '%i 2 444' full/docs/deep/er/file)" ] || fail "the copy is not linked to"
  expect 0 reverse view --remove "lb:$PWD/full"
else
  skip "links that run out: no perl, or this file system allows more than 70,000"
fi

step "a place for a view that is not there is named"
expect 1 reverse view "lb:$PWD/repo" latest "lb:$PWD/nowhere/view"
says stderr "there is no directory 'lb:$PWD/nowhere' to make a view in"

step "where there are neither links nor commands, that is said, and nothing is left"
sftp_server='internal-sftp -P hardlink' meet_server
expect 1 reverse view --no-remote-exec "lb:$PWD/repo" latest "lb:$PWD/none"
says stderr "reverse restore"
[ ! -e none ] && [ ! -e .none.reverse-view ] || fail "something is left"
