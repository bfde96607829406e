# A disk with a file system for everybody: no links, owners, modes or colons, names without case. A copy on it is whole, and is copied
# onwards from there. On FAT32 a file is too large from 4 GiB on: it is named, and all other revisions go. Where FAT32 cannot be had,
# a lower bound on the process makes the same error.
# needs: root
. "$E2E/lib.sh"

mkdir disk
truncate -s 5G image
loop=$(losetup --find --show image 2>stderr) || { skip "no loop device is to be had ($(cat stderr))"; exit 77; }
trap 'umount disk 2>/dev/null; losetup --detach "$loop"' EXIT
if mkfs.vfat -F 32 "$loop" >stdout 2>stderr && mount -t vfat -o umask=022 "$loop" disk 2>>stderr; then
  kind=vfat
elif mkfs.exfat "$loop" >stdout 2>>stderr && mount.exfat-fuse "$loop" disk >stdout 2>>stderr; then
  kind=exfat
  skip "FAT32's own bounds: vfat cannot be mounted here; exFAT takes its place"
else
  skip "neither vfat nor exfat can be mounted here ($(tail -n 1 stderr))"
  exit 77
fi
step "$kind"
ln -s x disk/link 2>/dev/null && fail "a symbolic link on $kind"
(: >disk/case && : >disk/CASE) && [ "$(ls disk/*[ae]se disk/*ASE 2>/dev/null | wc -l)" -le 1 ] || fail "two names that differ in case"
rm -f disk/case disk/CASE

step "revisions with names that such a disk could not hold"
mkdir -p src/sub
for name in 'a:b' 'CON' 'case' 'CASE' 'tail. ' 'q?*|"<>' 'back\slash' $'new\nline' $'\xff'; do echo "in $name" >"src/sub/$name"; done
ln -s sub/case src/link
ln src/sub/case src/hard
for i in {1..60}; do echo "this is page $i" >"src/page$i"; done
head -c 3000000 /dev/urandom >src/large
expect 0 reverse-backup -q --time 2014-01-20 ./src ./repo
echo more >>src/page1
expect 0 reverse-backup -q --time 2014-01-21 ./src ./repo

step "onto the disk, again, and onwards"
expect 0 reverse-sync ./repo ./disk/carried
says stdout "2 revisions copied"
expect 0 reverse-verify -q ./disk/carried
silent stdout stderr
expect 0 reverse-sync ./repo ./disk/carried
says stdout "0 revisions copied, 2 there already · 0 objects"
expect 0 reverse-sync -q ./disk/carried ./onwards
silent stdout stderr
expect 0 reverse-verify -q ./onwards
[ "$(cd repo && find objects manifests -type f | sort)" = "$(cd onwards && find objects manifests -type f | sort)" ] || fail "not the same"
expect 0 reverse-restore -q ./onwards latest -t ./back
same src back
expect 0 reverse-restore -q ./disk/carried latest -t ./from-disk
same src from-disk

step "a delta for a repository that is never in reach, with what it lacks and nothing else"
expect 0 reverse-snapshot inventory ./repo
mv stdout far.inv
echo newest >src/page2
expect 0 reverse-backup -q --time 2014-01-22 ./src ./repo
expect 0 reverse-sync -q --missing-from far.inv ./repo ./disk/delta
[ "$(objects ./disk/delta)" -lt 20 ] || fail "more than the difference was copied"
expect 0 reverse-verify -q ./disk/delta
expect 0 reverse-sync -q ./disk/delta ./onwards
expect 0 reverse-verify -q ./onwards
expect 0 reverse-restore -q ./onwards latest -t ./newest
same src newest

step "killed while it writes"
for i in 1 2 3; do
  { timeout -s KILL "0.$((i * 3))" reverse-sync -q ./repo "./disk/killed$i"; } >stdout 2>stderr
  expect 0 reverse-sync -q ./repo "./disk/killed$i"
  expect 0 reverse-verify -q "./disk/killed$i"
done

step "a file that is too large is named, and the other revisions go"
if [ "$kind" = vfat ]; then
  truncate -s 4G src/huge
  copy() { reverse-sync "$@"; }
else
  head -c 6000000 /dev/urandom >src/huge
  copy() { (trap '' XFSZ && ulimit -f 4096 && exec reverse-sync "$@"); }
fi
expect 0 reverse-backup -q --time 2014-01-23 ./src ./repo
rm src/huge
expect 0 reverse-backup -q --time 2014-01-24 ./src ./repo
expect 3 copy ./repo ./disk/carried
says stderr ":huge: "
says stderr "too large"
says stdout "2 revisions copied, 2 there already, 1 not whole yet"
expect 0 reverse-verify -q ./disk/carried
expect 3 copy --json ./repo ./disk/carried
[ "$(json revisions_held_back) $(json revisions_copied) $(json exit_code)" = "1 0 3" ] || fail "another result"
