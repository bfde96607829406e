# The power fails while a backup or gc runs: the file system's image is copied as it is at that moment, with all that
# had not reached it lost, then repaired and mounted. Every revision that is visible there restores, and work goes on.
# needs: root
# place: memory
. "$E2E/lib.sh"

rounds=${1:-6}
RANDOM=$$

# make TYPE: a file system in `image`, mounted at disk/; false, having said why, where that cannot be done.
make() {
  local size=300M
  command -v "mkfs.$1" >/dev/null || { skip "power cuts on $1: mkfs.$1 is not installed"; return 1; }
  rm -f image && truncate -s $size image && mkdir -p disk copy
  case $1 in ext4) mkfs.ext4 -q -F image ;; xfs) mkfs.xfs -q -f image ;; btrfs) mkfs.btrfs -q -f image ;; esac >made 2>&1 ||
    { skip "power cuts on $1: $(tail -n 1 made)"; return 1; }
  mount -o loop image disk 2>made || { skip "power cuts on $1: nothing can be mounted here ($(cat made))"; return 1; }
}

# cut: copies the image. Nothing of ours runs meanwhile; the system may still write, so that two copies must agree.
cut() {
  local i
  for i in {1..50}; do
    cp --sparse=always image one && cp --sparse=always image two
    ! cmp -s one two || { rm two && return; }
  done
  fail "the image does not hold still"
}

# lose_power COMMAND...: runs it, stops it somewhere, copies the image, and lets it go on to its end.
lose_power() {
  local pid code=0
  "$@" >stdout 2>stderr &
  pid=$!
  sleep "0.$(printf %03d $((RANDOM % longest)))"
  kill -STOP $pid 2>/dev/null
  cut
  kill -CONT $pid 2>/dev/null
  wait $pid || code=$?
  [ "$code" = 0 ] || fail "exit code $code: $*"
}

# check_copy FILE_SYSTEM: what a machine finds that comes up again.
check_copy() {
  local revision tag
  [ "$1" != ext4 ] || fsck.ext4 -p one >fsck 2>&1 || [ $? = 1 ] || fail "fsck: $(cat fsck)"
  umount disk || fail "the disk is still in use"  # of two file systems with one id only one is mounted
  mount -o loop one copy || fail "the copy cannot be mounted"
  for revision in $(find copy/repo/manifests -name '*.yaml' -printf '%P\n'); do
    tag=$(sed -n 's/^tags: \["\(.*\)"\]$/\1/p' "copy/repo/manifests/$revision")
    rm -rf back
    expect 0 reverse restore -q ./copy/repo "${revision%.yaml}" -t ./back
    same "trees/$tag" back
    checked=$((checked + 1))
  done
  # The machine's knowledge of before the cut is what it has left: nothing that was lost may be taken for present.
  rm -rf cache-after && cp -a cache cache-after
  expect 0 reverse-backup -q --cache-dir "$PWD/cache-after" --allow create --tag after ./src ./copy/repo
  expect 0 reverse-gc -q --grace 0 --allow mass-gc ./copy/repo
  rm -rf back
  expect 0 reverse restore -q ./copy/repo latest -t ./back
  same src back
  umount copy && mount -o loop image disk || fail "the copy is still in use"
}

# version N: another version of the source, of which some was there before.
version() {
  local i
  mkdir -p src/dir
  for i in {1..40}; do echo "same $i" >"src/dir/same$i"; done
  for i in {1..120}; do echo "version $1 file $i" >"src/dir/file$i"; done
  for i in {1..10}; do echo "every third $(($1 % 3)) file $i" >"src/dir/third$i"; done
  head -c 3000000 /dev/urandom >src/large
  rm -rf "trees/$1" && mkdir -p trees && cp -a src "trees/$1"
}

back_up() { reverse-backup -q --cache-dir "$PWD/cache" --tag "$1" ./src ./disk/repo; }
collect() { reverse-gc -q --keep-last 3 --grace 0 --allow mass-gc ./disk/repo; }

tried=0
for type in ext4 xfs btrfs; do
  make $type || continue
  rm -rf src cache trees
  checked=0
  for n in 1 2 3; do
    version $n
    back_up $n || fail "reverse-backup"
  done
  sync -f disk
  start=$(date +%s%N) && version 4 && back_up 4
  longest=$((($(date +%s%N) - start) / 1000000 + 50))
  ((longest < 999)) || longest=999
  for ((n = 5; n < 5 + rounds; n++)); do
    version $n
    lose_power back_up $n
    check_copy $type
    lose_power collect
    check_copy $type
  done
  umount disk
  step "$type: $((2 * rounds)) cuts, $checked revisions restored"
  tried=$((tried + 1))
done
[ "$tried" -gt 0 ] || exit 77
