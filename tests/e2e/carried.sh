# Two repositories that are never connected: lists go one way, disks the other. What arrives is what a direct copy would have brought,
# in however many trips, and whatever trip is made twice.
. "$E2E/lib.sh"

# far_list: what the far side has, as it comes by mail.
far_list() {
  expect 0 reverse-snapshot inventory ./far
  mv stdout far.inv
  LC_ALL=C sort -c far.inv 2>/dev/null || fail "the list is not sorted"
}
# stored REPO: names of all objects and revisions.
stored() { (cd "$1" && find objects manifests -type f | sort); }

step "a near repository of three days, and a far one that has the first of them and one of its own"
mkdir -p src/docs other
for i in {1..60}; do echo "page $i" >"src/docs/$i"; done
head -c 700000 /dev/urandom >src/first
settle
expect 0 reverse-backup -q --time 2014-01-20 ./src ./near
expect 0 reverse-sync -q ./near ./far
echo other >other/file
expect 0 reverse-backup -q --label other --time 2014-01-20 ./other ./far
for i in 1 2 3 4 5; do head -c 300000 /dev/urandom >"src/large$i"; done
expect 0 reverse-backup -q --time 2014-01-21 ./src ./near
rm src/large1
head -c 400000 /dev/urandom >src/large6
expect 0 reverse-backup -q --time 2014-01-22 ./src ./near
cp -a far direct
expect 0 reverse-sync -q ./near ./direct

step "one disk brings all, and twice the same"
cp -a far once
far_list
expect 0 reverse-sync -n --missing-from far.inv ./near ./disk
says stdout "2 revisions would be copied"
plan=$(grep -o '[0-9]* objects ([^)]*)' stdout | tail -n 1)
[ ! -e disk ] || fail "a dry run made something"
expect 0 reverse-sync --missing-from far.inv ./near ./disk
says stdout "$plan"
[ "$(objects ./disk)" -lt 30 ] || fail "the disk got $(objects ./disk) objects"
expect 0 reverse-verify -q ./disk
silent stdout stderr
expect 1 reverse-backup -q ./src ./disk
says stderr "partial copy"
for _ in 1 2; do
  expect 0 reverse-sync -q ./disk ./once
  silent stdout stderr
done
[ "$(stored once)" = "$(stored direct)" ] || fail "the far side has not what a direct copy brings"
expect 0 reverse-verify -q ./once

step "disks too small for it all, a new list after each trip"
trips=0
until [ "$(stored far)" = "$(stored direct)" ]; do
  trips=$((trips + 1))
  [ "$trips" -le 8 ] || fail "no end after $trips trips"
  far_list
  code=0
  reverse-sync -q --missing-from far.inv --max-size 700K ./near "./disk$trips" >stdout 2>stderr || code=$?
  [ "$code" = 0 ] || [ "$code" = 3 ] || fail "exit code $code"
  [ "$(find "disk$trips/objects" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum + 0 }')" -le 716800 ] ||
    fail "the disk is too small for what was put on it"
  expect 0 reverse-verify -q "./disk$trips"
  for disk in "./disk$trips" ./disk1; do  # and the first one once more
    code=0
    reverse-sync -q "$disk" ./far >stdout 2>stderr || code=$?
    [ "$code" = 0 ] || [ "$code" = 3 ] || fail "exit code $code"
  done
  expect 0 reverse-verify -q ./far
done
[ "$trips" -ge 3 ] || fail "only $trips trips"

step "nothing is left to carry"
far_list
expect 0 reverse-sync --missing-from far.inv ./near ./empty-disk
says stdout "0 revisions copied, 3 there already · 0 objects"
expect 0 reverse-restore -q ./far latest --set '*/*src' -t ./back
same src back

step "a list that is no list, and a repository that would get holes"
echo nonsense >bad.inv
expect 2 reverse-sync --missing-from bad.inv ./near ./bad
says stderr "line 1"
expect 2 reverse-sync --missing-from far.inv ./near ./direct
says stderr "would leave holes in it"
