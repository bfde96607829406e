# Views beside what they are views of: what they show otherwise than a restore, who may write, gc, verify, links that run out.
. "$E2E/lib.sh"

mkdir -p src/docs src/tools
echo text >src/docs/a.txt
echo text >src/docs/same.txt
echo program >src/tools/run
printf '' >src/empty
ln -s docs/a.txt src/link
ln src/tools/run src/tools/again
mkfifo src/pipe
setfattr -n user.comment -v 'an attribute' src/docs/a.txt 2>/dev/null || skip "attributes"
chmod 755 src/tools/run
chmod 600 src/docs/a.txt
chmod 700 src/docs
touch -d '2001-02-03 04:05:06.789' src/docs/a.txt src/docs src/tools
expect 0 reverse -q --label home ./src ./repo

# shown TREE: all that lstat tells of each name, but what a file's own inode would be needed for: its time, and which names share it.
shown() {
  (cd "$1" && find . -mindepth 1 \( -type f -printf '%P %y %m %U:%G %s\n' -o -printf '%P %y %m %U:%G %l %t\n' \) | sort)
}

step "a view and a restore differ in what the manual lists: modes of files and directories, what is left out"
expect 0 reverse view ./repo latest ./view
says stderr "1 name left out"
expect 0 reverse restore -q ./repo latest -t ./back
shown view >view.names
shown back | sed -E -e '/^pipe p/d' -e 's/^(.*) f [0-7]+ ([0-9]+:[0-9]+ [0-9]+)$/\1 f 444 \2/' -e 's/^(.*) d [0-7]+ /\1 d 555 /' >back.names
diff view.names back.names >differences || fail "$(cat differences)"
grep -qF 'docs d 555' view.names || fail "not what is meant to be compared"
for tree in view back; do (cd $tree && find . -type f -exec md5sum {} + | sort) >$tree.sums; done
cmp view.sums back.sums || fail "contents differ"

step "files are the objects: their modes, times and links, and no attributes"
object=$(echo text | md5sum)
object=repo/objects/${object:0:2}/${object%% *}
for file in docs/a.txt docs/same.txt; do
  [ "$(stat -c '%i %a %u %Y' view/$file)" = "$(stat -c '%i %a %u %Y' "$object")" ] || fail "$file is not the object"
done
[ "$(stat -c %i view/tools/run)" = "$(stat -c %i view/tools/again)" ] || fail "a hard link is another file"
! command -v getfattr >/dev/null || [ -z "$(getfattr -d view/docs/a.txt 2>/dev/null)" ] || fail "an object has attributes"

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
[ "$(cat view/docs/a.txt)" = other ] || fail "a view that was made before is of what it was made of"
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
