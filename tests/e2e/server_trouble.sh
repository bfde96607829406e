# Servers with something the matter: each is named with host, path and operation, nothing is lost, and when it is mended
# the next run goes through.
# needs: root
. "$E2E/lib.sh"

sftp_server=/usr/lib/openssh/sftp-server
[ -x "$sftp_server" ] || { skip "no $sftp_server"; exit 77; }
mkdir disk other
mount -t tmpfs -o size=64m none disk 2>stderr || { skip "no tmpfs can be mounted here ($(cat stderr))"; exit 77; }

# What connects instead of ssh: the server with the rights of nobody, with $FLAGS, after $FIRST.
cat >connect <<'END'
#!/bin/bash
[ "$1" = -s ] || exit 1
exec setpriv --reuid=65534 --regid=65534 --clear-groups bash -c "${FIRST:-:}; exec /usr/lib/openssh/sftp-server ${FLAGS:-}"
END
chmod 755 connect
export FIRST= FLAGS=
back_up() { reverse --allow create --ssh-command "$PWD/connect" --retry-for 0 --no-remote-exec "$@" ./src "nas:$repo"; }
revisions() { reverse list --ssh-command "$PWD/connect" --all "nas:$repo" 2>/dev/null | grep -c '^laptop/'; }
# fresh DIRECTORY OPTIONS: an empty file system there.
fresh() { umount disk && mount -t tmpfs -o "$1" none disk && chown 65534:65534 disk; }

repo=$PWD/disk/repo
mkdir src
for i in {1..200}; do echo "content $i" >"src/$i"; done
head -c 6000000 /dev/urandom >src/large

step "a full disk"
fresh size=5m
expect 1 back_up
says stderr "'nas:$repo/"
says stderr "(0 B free there)"
[ "$(revisions)" = 0 ] || fail "something was published"
mount -o remount,size=64m disk
expect 0 back_up
[ "$(revisions)" = 1 ] || fail "nothing was published"

step "a disk without inodes"
fresh size=64m,nr_inodes=400
expect 1 back_up
says stderr "(no inodes free there)"

step "a limit of the account that the file system does not tell"
fresh size=64m
expect 0 back_up -e large
FIRST="trap '' XFSZ; ulimit -f 1000" expect 1 back_up
says stderr "write 'nas:$repo/tmp/"
says stderr "(there is room: a quota, perhaps)"
expect 0 back_up

step "a server that writes nothing, and a file system that does not"
echo more >>src/1
FLAGS=-R expect 1 back_up
says stderr "create 'nas:$repo/writing/"
says stderr "ermission denied"
mount -o remount,ro disk
expect 1 back_up
says stderr "(the file system is read-only)"
mount -o remount,rw disk

step "one shard that nobody may write to, or look into"
for mode in 0555 0; do
  chmod "$mode" disk/repo/objects/*[05af]
  for i in {1..100}; do echo "$mode $i" >>"src/$i"; done
  before=$(revisions)
  expect 1 back_up
  says stderr "'nas:$repo/objects/"
  says stderr "ermission denied"
  [ "$(revisions)" = "$before" ] || fail "something was published"
  chmod 700 disk/repo/objects/*
  expect 0 back_up
done

step "a shell that talks before the protocol begins"
FIRST='echo Welcome to nas' expect 1 back_up
says stderr "the server sent text instead of SFTP: 'Welcome to nas'"
says stderr "must print nothing where there is no terminal"

step "a server without any extension, which makes nothing durable: that is said once"
fresh size=64m
export FLAGS="-P fsync,posix-rename,hardlink,statvfs,fstatvfs,lsetstat,limits,expand-path,copy-data,home-directory,users-groups-by-id"
expect 0 back_up
says stderr "'nas' makes nothing durable when asked"
echo more >>src/1
expect 0 back_up
silent stderr
expect 0 reverse restore -q --ssh-command "$PWD/connect" "nas:$repo" latest -t ./back
same src back
export FLAGS=

step "a server that opens few files at a time"
fresh size=64m
FIRST='ulimit -n 20' expect 0 back_up

step "a server that is not there"
expect 75 reverse --ssh-command false --retry-for 0 ./src "nas:$repo"
says stderr "no SFTP from 'nas'"
