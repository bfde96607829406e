# Three machines that back up their homes and each other's repositories, in a circle, as real processes over two SSH servers: every
# history comes to every repository, and what does not change makes nothing grow.
# needs: root
# place: memory
. "$E2E/lib.sh"
. "$E2E/ssh_lib.sh"

days=30
quiet_until=25

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

running=()
# on MACHINE ARGUMENT...: reverse, as that machine runs it, beside the others.
on() {
  local machine=$1
  shift
  REVERSE_HOST="$machine" REVERSE_CACHE_DIR="$PWD/$machine/cache" reverse -q "$@" >"$machine/said" 2>&1 &
  running+=($!)
}
# all_done: what was started ends well, without a word.
all_done() {
  local run
  for run in "${running[@]}"; do wait "$run" || fail "exit code $?: $(cat ./*/said)"; done
  cat ./*/said >stdout
  silent stdout
  running=()
}

# day [OPTION]: each machine as its user would, all at the same time.
day() {
  on phone "$@" "$PWD/phone/files" "homepc:$PWD/homepc/backup"
  on homepc "$@" "$PWD/homepc/files" "$PWD/homepc/backup"
  on workpc "$@" "$PWD/workpc/files" "$PWD/workpc/backup"
  all_done
  on homepc "$PWD/homepc/backup" "workpc:$PWD/workpc/backup"
  on workpc "$PWD/workpc/backup" "homepc:$PWD/homepc/backup"
  all_done
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

step "up to day $quiet_until, nothing changes"
for ((day = 4; day <= quiet_until; day++)); do day --skip-if-unchanged; done
for machine in homepc workpc; do
  files "$machine" | diff "$machine.before" - >stdout || fail "$machine has grown"
done

step "up to day $days each run publishes: a head a run, and nothing else"
for ((day = quiet_until + 1; day <= days; day++)); do
  day
  for machine in homepc workpc; do
    [ "$(heads "$machine")" = $((3 + 3 * (day - quiet_until))) ] || fail "$machine has $(heads "$machine") revisions on day $day"
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
