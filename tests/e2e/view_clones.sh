# Views where the file system can clone files: with all their metadata, and nothing shared with objects.
# needs: root
. "$E2E/lib.sh"

mkdir src
mkdir -p src/docs/private
echo text >src/docs/a.txt
echo text >src/docs/same.txt
head -c 300000 /dev/urandom >src/docs/private/large
ln -s a.txt src/docs/link
printf '' >src/empty
chmod 640 src/docs/a.txt
chown 1234:2345 src/docs/a.txt
chmod 700 src/docs/private
setfattr -n user.comment -v 'an attribute' src/docs/a.txt 2>/dev/null || skip "attributes"
touch -d '2001-02-03 04:05:06.789' src/docs/a.txt src/docs

tried=0
for type in xfs btrfs; do
  disk=$type
  mkdir "$disk"
  truncate -s 400m disk.img
  if ! mkfs.$type -q disk.img >stderr 2>&1 || ! mount -o loop disk.img "$disk" 2>stderr; then
    skip "$type: $(cat stderr)"
    rm -f disk.img
    continue
  fi
  tried=$((tried + 1))
  cp -a src "$disk/src"
  expect 0 reverse -q --label home ./src "./$disk/repo"

  step "$type: a view is what a restore would be, modes, owners, times and attributes included"
  expect 0 reverse view --json "./$disk/repo" latest "./$disk/view"
  [ "$(json cloned)" = true ] || fail "not cloned"
  chmod "$(stat -c %a src)" "$disk/view"
  touch -r src "$disk/view"
  same "$disk/src" "$disk/view"

  step "$type: what is written through it stays its own"
  echo changed >"$disk/view/docs/a.txt"
  expect 0 reverse verify -q "./$disk/repo"
  [ "$(cat "$disk"/view/docs/same.txt)" = text ] || fail "two files share what they should not"

  step "$type: --update takes it along, metadata too"
  chmod 600 src/docs/same.txt
  echo new >src/docs/new
  expect 0 reverse -q --label home ./src "./$disk/repo"
  expect 0 reverse view -q --update "./$disk/repo" latest "./$disk/view"
  [ "$(stat -c %a "$disk"/view/docs/same.txt)" = 600 ] || fail "mode $(stat -c %a "$disk"/view/docs/same.txt)"
  [ "$(cat "$disk"/view/docs/new)" = new ] || fail "new is missing"
  expect 0 reverse view -q --remove "./$disk/view"
  [ ! -e "$disk/view" ] || fail "it is still there"
  umount "$disk"
  rm -f disk.img
  chmod 644 src/docs/same.txt
  rm src/docs/new
done
[ $tried -gt 0 ] || exit 77
