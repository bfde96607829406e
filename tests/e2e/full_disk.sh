# A disk that runs full stops a backup cleanly; a disk that is read-only is still read.
# needs: root
. "$E2E/lib.sh"

mkdir disk src
if ! mount -t tmpfs -o size=24m,mode=0755 reverse-e2e disk 2>stderr; then
  skip "a full disk: nothing can be mounted here ($(cat stderr))"
  exit 77
fi
for i in {1..40}; do head -c 1000000 /dev/urandom >"src/file$i"; done

step "the disk runs full: code 1, the file system is named, nothing is published"
expect 1 reverse ./src ./disk/repo
says stderr "No space left on device"
says stderr "$PWD/disk"
[ -z "$(find disk/repo/manifests -type f)" ] || fail "something was published"
expect 0 reverse list ./disk/repo
silent stdout

step "with room again the next run completes and stores nothing twice"
find disk/repo/objects -type f -printf '%p %i\n' | sort >kept
mount -o remount,size=100m disk || fail "the disk does not grow"
expect 0 reverse ./src ./disk/repo
says stdout "  complete  40 files"
find disk/repo/objects -type f -printf '%p %i\n' | sort >now
[ -z "$(comm -23 kept now)" ] || fail "objects were stored again"
expect 0 reverse restore -q ./disk/repo latest -t ./back
same src back

step "a full disk under the target of a restore is named too"
mkdir small && mount -t tmpfs -o size=8m reverse-e2e small || fail "no second disk"
code=0
reverse restore ./disk/repo latest -t ./small/target >stdout 2>stderr || code=$?
[ "$code" = 1 ] || [ "$code" = 3 ] || fail "exit code $code"
says stderr "No space left on device"

step "a repository on a read-only disk can be read, by an unprivileged user with a shell alone too"
chmod 755 disk
mount -o remount,ro disk || fail "the disk cannot be made read-only"
expect 0 reverse list ./disk/repo
expect 0 reverse restore -q ./disk/repo latest -t ./again
same src again
expect 1 reverse ./src ./disk/repo
says stderr "Read-only file system"
mkdir open && chmod 777 open
chmod -R a+rX . 2>/dev/null
for shell in "busybox sh" dash; do
  command -v ${shell%% *} >/dev/null || { skip "restore.sh under $shell: it is not installed"; continue; }
  revision=$(sh disk/repo/restore.sh | grep -o '^laptop/[^ ]*')
  expect 0 $shell disk/repo/restore.sh "$revision" "open/${shell%% *}"
  rsync -rlptnci --delete src/ "open/${shell%% *}/" >differences 2>&1
  [ ! -s differences ] || fail "$shell restored something else: $(head differences)"
done
