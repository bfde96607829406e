# On a disk without a free byte one run of gc frees what nothing needs, and the next backup has room.
# needs: root
. "$E2E/lib.sh"

mkdir disk src
if ! mount -t tmpfs -o size=32m,mode=0755 reverse-e2e disk 2>stderr; then
  skip "gc on a full disk: nothing can be mounted here ($(cat stderr))"
  exit 77
fi
for i in {1..30}; do echo "small $i" >"src/small$i"; done

# A new large file, and a revision of it.
back_up() {
  head -c 6000000 /dev/urandom >src/large
  expect 0 reverse-backup -q ./src ./disk/repo
}
free() { df --output=avail -B1 disk | tail -n 1; }

step "three revisions of which each has something large, and then a disk that is full to the last byte"
for i in 1 2 3; do back_up; done
cp -a src last
cat /dev/zero >disk/filler 2>/dev/null
[ "$(free)" -eq 0 ] || fail "$(free) bytes are free"
head -c 6000000 /dev/urandom >src/large
expect 1 reverse-backup -q ./src ./disk/repo
[ "$(free)" -lt 2000000 ] || fail "the backup that failed left room"
cat /dev/zero >>disk/filler 2>/dev/null

step "one run of gc, and two of three large files are gone"
expect 0 reverse-gc -q --keep-last 1 --grace 0 ./disk/repo
silent stdout stderr
[ "$(free)" -gt 11000000 ] || fail "only $(free) bytes are free"
[ -z "$(ls disk/repo/trash)" ] || fail "something waits in the trash"

step "what is left is whole, and there is room for more"
expect 0 reverse restore -q ./disk/repo latest -t ./back
same last back
expect 0 reverse-backup -q ./src ./disk/repo
expect 0 reverse restore -q ./disk/repo latest -t ./again
same src again

step "forgetting works on a full disk too"
cat /dev/zero >>disk/filler 2>/dev/null
[ "$(free)" -eq 0 ] || fail "$(free) bytes are free"
expect 0 reverse forget -q ./disk/repo latest~1
expect 0 reverse-gc -q --grace 0 ./disk/repo
[ "$(free)" -gt 5000000 ] || fail "only $(free) bytes are free"
