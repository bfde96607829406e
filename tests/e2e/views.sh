# Views beside what they are views of: what they show otherwise than a restore, who may write, gc, verify, links that run out.
. "$E2E/lib.sh"

mkdir -p src/docs src/tools
echo text >src/docs/a.txt
echo text >src/docs/same.txt
echo program >src/tools/run
printf '' >src/empty
ln -s docs/a.txt src/link
chmod 755 src/tools/run
chmod 600 src/docs/a.txt
chmod 700 src/docs
touch -d '2001-02-03 04:05:06.789' src/docs/a.txt src/docs src/tools
expect 0 reverse -q --label home ./src ./repo

step "a view and a restore have the same names, types, contents and links' targets, and directories' times"
expect 0 reverse view -q ./repo latest ./view
expect 0 reverse restore -q ./repo latest -t ./back
for tree in view back; do
  (cd $tree && find . -mindepth 1 -printf '%P %y %l\n' | sort) >$tree.names
  (cd $tree && find . -mindepth 1 -type d -printf '%P %t\n' | sort) >$tree.times
  (cd $tree && find . -type f -exec md5sum {} + | sort) >$tree.sums
done
for what in names times sums; do cmp view.$what back.$what || fail "$what differ"; done

step "they differ in modes: files 0444, directories 0555"
[ "$(find view -type f -printf '%m\n' | sort -u)" = 444 ] || fail "$(find view -type f -printf '%m %p\n')"
[ "$(find view -mindepth 1 -type d -printf '%m\n' | sort -u)" = 555 ] || fail "$(find view -type d -printf '%m %p\n')"
[ "$(stat -c %i view/docs/a.txt)" = "$(stat -c %i view/docs/same.txt)" ] || fail "one content, two inodes"

step "an ordinary user writes nothing through it"
(echo more >>view/docs/a.txt) 2>stderr && fail "a file was written"
says stderr "Permission denied"
(echo more >view/docs/new) 2>/dev/null && fail "a file was made"
rm -f view/docs/a.txt 2>/dev/null && fail "a file was removed"
expect 0 reverse verify -q ./repo

step "who takes the protection away damages the repository; verify finds it and heals it"
chmod u+w view/docs/a.txt
echo other >view/docs/a.txt
expect 4 reverse verify ./repo
says stdout "docs/a.txt"
expect 0 reverse verify ./repo --heal-from ./src
expect 0 reverse verify -q ./repo
expect 0 reverse view --remove ./view
expect 0 reverse view -q ./repo latest ./view
[ "$(cat view/docs/a.txt)" = text ] || fail "the view is not of the healed content"

step "a view outlives its revision and the collection of its objects"
echo next >src/docs/next
expect 0 reverse -q --label home ./src ./repo
expect 0 reverse forget -q ./repo laptop/home~1
expect 0 reverse-gc -q --grace 0 --trash 0 ./repo
[ "$(cat view/docs/a.txt)" = text ] || fail "gc took a file of the view"
expect 0 reverse view --update ./repo latest ./view
[ "$(cat view/docs/next)" = next ] || fail "it was not updated"
expect 0 reverse verify -q ./repo

step "an object without room for links is copied once, and the copy is linked"
if command -v perl >/dev/null; then
  mkdir links
  object=$(echo text | md5sum)
  object=repo/objects/${object:0:2}/${object%% *}
  perl -e 'for (1..70000) { link($ARGV[0], "links/$_") or exit($!{EMLINK} ? 0 : 2) } exit 1' "$object"
  case $? in
  0)
    expect 0 reverse view --json ./repo latest ./full
    [ "$(json copied)" = 1 ] || fail "copied: $(json copied)"
    [ "$(cat full/docs/a.txt full/docs/same.txt)" = $'text\ntext' ] || fail "another content"
    [ "$(stat -c '%i %h' full/docs/a.txt)" = "$(stat -c '%i 2' full/docs/same.txt)" ] || fail "the copy is not linked to"
    [ "$(stat -c %a full/docs/a.txt)" = 444 ] || fail "mode $(stat -c %a full/docs/a.txt)"
    ;;
  *) skip "links that run out: this file system allows more than 70,000, or none" ;;
  esac
else
  skip "links that run out: no perl"
fi
