# Three machines that back up their homes and each other's repositories, in a circle, as real processes over two SSH servers: every
# history comes to every repository, and what does not change makes nothing grow.
# needs: root
# place: memory
. "$E2E/lib.sh"
. "$E2E/ssh_lib.sh"

rounds=30

step "two servers, by the names of two machines"
start_server
home_server=$server home_port=$port
trap 'kill "$home_server" "$server" 2>/dev/null' EXIT
for _ in {1..5}; do
  port=$((20000 + RANDOM % 12000))
  [ "$port" != "$home_port" ] && serve "$port" && break
  port=
done
[ -n "$port" ] || fail "no second server: $(cat server/log)"
printf 'Host homepc\n  Port %s\nHost workpc\n  Port %s\nHost *\n  HostName 127.0.0.1\n  StrictHostKeyChecking accept-new\n' \
  "$home_port" "$port" >home/.ssh/config

for machine in phone homepc workpc; do
  mkdir -p "$machine/files/sub"
  for i in {1..40}; do echo "file $i of $machine" >"$machine/files/sub/$i"; done
  echo "on every machine" >"$machine/files/same"
done
settle

# on MACHINE ARGUMENT...: reverse, as that machine runs it.
on() {
  local machine=$1
  shift
  expect 0 env REVERSE_HOST="$machine" REVERSE_CACHE_DIR="$PWD/$machine/cache" reverse -q "$@"
  silent stdout stderr
}

# day [OPTION]: each machine once, as its user would.
day() {
  on phone "$@" "$PWD/phone/files" "homepc:$PWD/homepc/backup"
  on homepc "$@" "$PWD/homepc/files" "$PWD/homepc/backup"
  on homepc "$PWD/homepc/backup" "workpc:$PWD/workpc/backup"
  on workpc "$@" "$PWD/workpc/files" "$PWD/workpc/backup"
  on workpc "$PWD/workpc/backup" "homepc:$PWD/homepc/backup"
}

# files MACHINE: all files of its repository, with their sizes.
files() { (cd "$1/backup" && find . -type f -printf '%P %s\n' | sort); }
heads() { find "$1/backup/manifests" -type f | wc -l; }

step "three days"
for _ in 1 2 3; do day --skip-if-unchanged; done
for machine in homepc workpc; do
  files "$machine" >"$machine.before"
  [ "$(heads "$machine")" = 3 ] || fail "$machine has $(heads "$machine") revisions instead of 3"
  [ "$(objects "$machine/backup")" -le 150 ] || fail "$machine has $(objects "$machine/backup") objects"
done

step "up to day $rounds, nothing changes"
for ((i = 4; i <= rounds; i++)); do day --skip-if-unchanged; done
for machine in homepc workpc; do
  files "$machine" | diff "$machine.before" - >stdout || fail "$machine has grown"
done

step "five days on which each run publishes: a head a run, and nothing else"
for i in 1 2 3 4 5; do
  day
  for machine in homepc workpc; do
    [ "$(heads "$machine")" = $((3 + 3 * i)) ] || fail "$machine has $(heads "$machine") revisions on day $i"
    [ "$(objects "$machine/backup")" = "$(grep -c ^objects "$machine.before")" ] || fail "$machine has new objects"
  done
done

step "every history is everywhere, whole"
for machine in homepc workpc; do
  expect 0 reverse-verify -q "./$machine/backup"
  silent stdout stderr
  for other in phone homepc workpc; do
    expect 0 reverse-restore -q --set "$other/*" "./$machine/backup" latest -t "./back-$machine-$other"
    same "$other/files" "back-$machine-$other"
  done
done
