# A user's tree with everything odd that a user can make comes back as it was, or is told of.
. "$E2E/lib.sh"

step "names: every byte but / and NUL, the longest ones, ones that look like options"
mkdir src
for i in {1..255}; do
  [ "$i" = 47 ] || printf "$i" >"src/byte$(printf "\\x$(printf %02x "$i")")"
done
long=$(printf 'x%.0s' {1..255})
echo long >"src/$long"
echo dash >src/--delete
echo blank >"src/ "
echo quote >"src/'\"\$(touch oops)"

step "types and links"
mkfifo src/fifo
ln -s nowhere src/broken
ln -s "$long" src/longlink
ln src/byteA src/other-name
mkdir src/empty src/closed
: >src/nothing
mkdir -m 3775 src/shared
ln -P src/broken src/same-link
ln src/fifo src/same-fifo

step "times, attributes, holes"
touch -d '1901-12-14 00:00:00.5' src/byteB
touch -d '1969-12-31 23:59:59.999999999' src/byteC
touch -d '2262-01-01' src/byteD
touch -h -d '2001-02-03 04:05:06.7' src/broken
if command -v setfattr >/dev/null && setfattr -n user.note -v value src/byteE 2>/dev/null; then
  setfattr -n user.binary -v 0x00ff0a src/byteE
  setfattr -n user.dir -v yes src/empty
else
  skip "extended attributes: this file system or machine has none"
fi
if command -v setfacl >/dev/null && setfacl -m u:1:rwx src/byteF 2>/dev/null; then
  setfacl -d -m g:1:rx src/shared
else
  skip "access control lists: this file system or machine has none"
fi
truncate -s 300M src/huge
printf x | dd of=src/huge bs=1 seek=200M conv=notrunc status=none
chmod 500 src/closed

step "all of it comes back"
expect 0 reverse -q ./src ./repo
silent stdout stderr
expect 0 reverse restore ./repo latest -t ./back
same src back
[ "$(stat -c %b back/huge)" -le "$(stat -c %b src/huge)" ] || fail "holes were filled"
[ ! -e oops ] || fail "a name was run"
for name in byteB byteC byteD; do
  [ "$(stat -c %.Y "src/$name")" = "$(stat -c %.Y "back/$name")" ] || fail "the time of $name changed"
done

step "names are told without control characters"
expect 0 reverse ls ./repo latest
! LC_ALL=C grep -q "$(printf '[\001-\011\013-\037\177]')" stdout || fail "a raw control character reached stdout"
says stdout 'byte\x1b'

step "a path longer than any system call takes"
mkdir deep && cd deep || fail "no directory"
for i in {1..20}; do mkdir "$long" && cd -P -- "./$long" || fail "no directory $i"; done
echo bottom >file
cd -P "$OLDPWD" 2>/dev/null
cd "$TMPDIR/.." || fail "no way back"
expect 0 reverse -q ./deep ./repo
silent stdout stderr
expect 0 reverse restore ./repo "$(basename "$(ls -d repo/manifests/laptop/*-deep)" | sed 's,^,laptop/,')" -t ./deep-back
cd deep-back || fail "nothing came back"
for i in {1..20}; do cd -P -- "./$long" || fail "level $i did not come back"; done
[ "$(cat file)" = bottom ] || fail "the file at the bottom did not come back"
cd "$TMPDIR/.." || fail "no way back"

step "what this user cannot read is named; everything else is stored"
chmod 000 src/closed
chmod 000 src/byteG
expect 3 reverse ./src ./repo --label closed
says stderr "error: byteG: "
says stderr "error: closed: "
says stdout "  incomplete  "
expect 3 reverse restore ./repo laptop/closed -t ./partial
cmp -s src/byteH partial/byteH || fail "what could be read did not come back"
chmod 700 src/closed
