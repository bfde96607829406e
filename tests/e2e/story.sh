# The main job from end to end: back up, look, change, move, back up again, restore, compare.
. "$E2E/lib.sh"

step "a tree with the usual things in it"
mkdir -p src/docs src/pictures/2014 src/empty
for i in {1..300}; do echo "page $i" >"src/docs/page$i.txt"; done
head -c 3000000 /dev/urandom >src/pictures/2014/large.jpg
cp src/docs/page1.txt src/docs/copy.txt
ln src/docs/page2.txt src/docs/hard
ln -s ../docs/page3.txt src/pictures/soft
truncate -s 10M src/sparse
printf 'end' >>src/sparse
chmod 0750 src/docs && chmod 0400 src/docs/page4.txt
touch -d '2011-11-11 11:11:11.123456789' src/docs/page5.txt src/pictures
settle

step "a first backup makes the repository"
expect 0 reverse ./src ./repo
says stderr "made a repository at $PWD/repo"
says stdout "  complete  304 files, "
expect 0 reverse restore ./repo latest -t ./first
silent stderr
same src first
# A sparse file takes no more room than it did.
[ "$(stat -c %b first/sparse)" -le "$(stat -c %b src/sparse)" ] || fail "holes were filled"

step "nothing changed: nothing is read, nothing is stored"
before=$(objects repo)
expect 0 reverse --json ./src ./repo
silent stderr
[ "$(json files_unmodified)" = 304 ] && [ "$(json bytes_read)" = 0 ] && [ "$(json data_added)" = 0 ] ||
  fail "an unchanged tree was read or stored"
[ "$(objects repo)" = "$before" ] || fail "objects were added"
expect 0 reverse -n ./src ./repo
[ "$(wc -l <stdout)" = 2 ] || fail "a dry run names files that would not be read"
says stdout "nothing changed"

step "listings agree with the tree"
expect 0 reverse list ./repo
[ "$(wc -l <stdout)" = 2 ] || fail "two revisions are not listed"
expect 0 reverse ls -R -0 ./repo latest
sort -z stdout >listed
(cd src && find . -mindepth 1 -printf '%P\0') | sort -z | cmp -s - listed || fail "ls -R lists another tree"
expect 0 reverse cat ./repo latest:docs/page7.txt
cmp -s stdout src/docs/page7.txt || fail "cat writes something else"

step "moved, renamed, changed, removed"
mv src/pictures src/photos
mv src/docs/page8.txt src/docs/renamed.txt
rm src/docs/page9.txt
echo more >>src/docs/page10.txt
echo new >src/new.txt
expect 0 reverse --json ./src ./repo
[ "$(json files_moved)" = 2 ] && [ "$(json files_new)" = 1 ] && [ "$(json files_changed)" = 1 ] ||
  fail "changes were taken for others"
# Read were the two files whose content is new, and perhaps links of which one was made just now.
[ "$(json bytes_read)" -lt 1000 ] || fail "moved files were read again"
expect 0 reverse restore -q ./repo latest -t ./second
silent stdout stderr
same src second
expect 0 reverse restore ./repo latest~2 -t ./oldest
same first oldest

step "one lost file comes back to its place"
cp src/docs/page11.txt saved
rm src/docs/page11.txt
expect 0 reverse restore ./repo "latest:$PWD/src/docs/page11.txt" --in-place
cmp -s saved src/docs/page11.txt || fail "another content came back"

step "a file that was removed before is found in an older revision"
expect 1 reverse restore ./repo latest:docs/page9.txt -t ./elsewhere
revision=$(grep -o 'the newest that has it is .*' stderr | sed 's/.* //')
expect 0 reverse restore ./repo "$revision:docs/page9.txt" -t ./elsewhere
[ "$(cat elsewhere/page9.txt)" = "page 9" ] || fail "another content came back"

step "the same tree in a second repository is known there too"
expect 0 reverse --json ./src ./repo2
[ "$(json exit_code)" = 0 ] || fail "no second repository"
expect 0 reverse restore ./repo2 latest -t ./third
same src third

step "without the tools: restore.sh of a repository that cannot be written"
cp -a repo frozen
chmod -R a-w frozen
for shell in "busybox sh" dash; do
  if ! command -v ${shell%% *} >/dev/null; then
    skip "restore.sh under $shell: it is not installed"
    continue
  fi
  target=by-${shell%% *}
  expect 0 $shell frozen/restore.sh
  revision=$(grep -o "^laptop/[^ ]*" stdout | tail -n 1)
  expect 0 $shell frozen/restore.sh "$revision" "$target" docs photos
  for part in docs photos; do
    rsync -rlptHnci --delete "second/$part/" "$target/$part/" >differences 2>&1
    [ ! -s differences ] || fail "$shell restored another $part: $(head differences)"
  done
done
