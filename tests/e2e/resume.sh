# A backup that is killed, or stopped, in the middle of a large file: the next one goes on there, and tells.
# place: memory
. "$E2E/lib.sh"

sftp_server=/usr/lib/openssh/sftp-server
[ -x "$sftp_server" ] || { skip "no $sftp_server"; exit 77; }

# What connects instead of ssh: the server, behind a count of the bytes that are sent to it. After so many bytes as the file
# `most` says, the line is slow.
cat >connect <<'END'
#!/bin/bash
[ "$1" = -s ] || exit 1
python3 -c '
import os, sys, time
fast = int(sys.argv[1])
while piece := os.read(0, 65536):
    if fast <= 0:
        time.sleep(0.1)
    os.write(1, piece)
    fast -= len(piece)
' "$(cat most)" | tee sent | /usr/lib/openssh/sftp-server
END
chmod 755 connect
unlimited=1000000000000
back_up() { reverse --ssh-command "$PWD/connect" --connections 1 --no-remote-exec "$@" ./src "nas:$PWD/repo"; }
sent() { stat -c %s sent; }

mkdir src
echo small >src/small
echo "$unlimited" >most
expect 0 back_up
head -c 64000000 /dev/urandom >src/large
settle

# broken_off SIGNAL CODE MOST: a backup that sends so much, and is then ended.
broken_off() {
  local code=0
  echo "$3" >most
  : >sent # what is counted is of this run alone
  env --default-signal=INT reverse --ssh-command "$PWD/connect" --connections 1 --no-remote-exec ./src "nas:$PWD/repo" >stdout 2>stderr &
  local pid=$!
  wait_for eval "[ \"\$(sent)\" -ge $(($3 * 2 / 3)) ]"
  sleep 0.5 # its confirmations come back
  kill -s "$1" "$pid"
  wait "$pid" 2>/dev/null || code=$?
  [ "$code" = "$2" ] || fail "exit code $code instead of $2"
  echo "$unlimited" >most
}

step "kill -9"
broken_off KILL 137 30000000
expect 0 back_up -v --json
[ "$(json files_resumed)" = 1 ] || fail "nothing went on"
[ "$(json bytes_resumed)" -ge 8000000 ] || fail "it went on too early"
[ "$(json bytes_sent)" -le 56100000 ] || fail "what is told as sent counts what was there"
says stdout '"action":"resumed","item":"large"'
[ "$(sent)" -le $((64000000 - $(json bytes_resumed) + 1000000)) ] || fail "$(sent) bytes were sent"
[ -z "$(ls repo/tmp)" ] || fail "something is left in tmp"
expect 0 reverse restore -q ./repo latest -t ./back
same src back

step "a stop keeps what was sent as well"
head -c 64000000 /dev/urandom >src/large
settle
broken_off INT 130 30000000
expect 0 back_up
says stdout " · 1 large file went on at "
says stdout " of 61.0 MiB"
[ "$(sent)" -le 57000000 ] || fail "$(sent) bytes were sent"
expect 0 reverse verify -q ./repo

step "a file that has changed since is sent whole"
head -c 64000000 /dev/urandom >src/large
settle
broken_off KILL 137 30000000
echo more >>src/large
settle
expect 0 back_up --json
[ "$(json files_resumed)" = 0 ] || fail "it went on"
[ "$(sent)" -ge 64000000 ] || fail "only $(sent) bytes were sent"
[ -z "$(ls repo/tmp)" ] || fail "something is left in tmp"
expect 0 reverse verify -q ./repo
