# A backup that is told to stop ends by that signal, publishes nothing but checkpoints, and the next one goes on.
# place: memory
. "$E2E/lib.sh"

mkdir src
(cd src && seq 8000 | split -l 1 -a 4 -)
[ "$(ls src | wc -l)" = 8000 ] || fail "no tree to work with"

# hold REPO: stops the backup $pid once it has stored something. It is looked at while it stands still, so that it
# cannot end meanwhile, however slow this machine is.
hold() {
  until kill -STOP "$pid" && [ "$(objects "$1")" -ge 100 ]; do
    kill -CONT "$pid"
    sleep 0.02
  done
}

# start REPO OPTION...: a backup in the background, in $pid, held.
start() {
  local repo=$1
  shift
  env --default-signal=INT,QUIT reverse "$@" ./src "./$repo" >stdout 2>stderr &
  pid=$!
  hold "$repo"
}

# tell SIGNAL: to the backup that is held, which goes on.
tell() {
  kill -s "$1" "$pid"
  kill -CONT "$pid" 2>/dev/null || true
}

# ends CODE: the backup ended with it.
ends() {
  local code=0
  wait "$pid" 2>/dev/null || code=$?
  [ "$code" = "$1" ] || fail "exit status $code instead of $1"
}

# goes_on REPO: the next backup completes and stores nothing again.
goes_on() {
  find "$1/objects" -type f -printf '%p %i %T@\n' | sort >kept
  expect 0 reverse --json ./src "./$1"
  [ "$(json outcome)" = complete ] && [ "$(json total_files_processed)" = 8000 ] || fail "not all was backed up"
  find "$1/objects" -type f -printf '%p %i %T@\n' | sort >now
  [ -z "$(comm -23 kept now)" ] || fail "objects were stored again"
}

for signal in INT:130 TERM:143 HUP:129; do
  step "${signal%:*} in mid-backup"
  repo=repo-${signal%:*}
  start "$repo"
  tell "${signal%:*}"
  ends "${signal#*:}"
  silent stdout
  says stderr stopped
  [ -z "$(find "$repo/manifests" -type f)" ] || fail "something was published"
  goes_on "$repo"
done

step "kill -9 in mid-backup"
start repo-KILL
tell KILL
ends 137
[ -z "$(find repo-KILL/manifests -type f)" ] || fail "something was published"
goes_on repo-KILL
expect 0 reverse restore -q ./repo-KILL latest -t ./back
same src back

step "a hang-up that the caller ignores (nohup) is ignored"
env --ignore-signal=HUP reverse -q ./src ./repo-nohup >stdout 2>stderr &
pid=$!
hold repo-nohup
tell HUP
ends 0
silent stdout stderr

step "checkpoints: what is stored so far can be restored, and the next backup supersedes it"
mkdir src/more
(cd src/more && seq 30000 | split -l 1 -a 4 -)  # so many that the first checkpoint is due long before the end
start repo-checkpoint --checkpoint 1s
kill -CONT "$pid"
wait_for eval '[ -n "$(find repo-checkpoint/manifests -name "*.yaml")" ] || ! kill -0 '"$pid"
kill -TERM "$pid" 2>/dev/null
code=0
wait "$pid" 2>/dev/null || code=$?
if [ "$code" = 0 ]; then
  skip "checkpoints: this machine backs up 38,000 files in about a second"
else
  expect 0 reverse list --all ./repo-checkpoint
  says stdout "  checkpoint  "
  expect 0 reverse restore -q ./repo-checkpoint latest -t ./part
  [ "$(ls part | wc -l)" -gt 0 ] || fail "the checkpoint is empty"
  expect 0 reverse -q ./src ./repo-checkpoint
  expect 0 reverse list ./repo-checkpoint
  [ "$(wc -l <stdout)" = 1 ] || fail "the checkpoint is still listed"
fi

step "SIGUSR1 prints a line of progress"
env --default-signal=INT reverse -q --stdin-filename slow --stdin-from-command 'echo begin; exec sleep 60' ./repo-INT \
  >stdout 2>stderr &
pid=$!
wait_for eval 'grep -q . home/.cache/reverse/running/*-laptop,slow'
wait_for eval "kill -USR1 $pid && grep -q ' files; 0 errors' stderr"
kill -TERM "$pid"
ends 143

step "a reader that goes away ends the tool by SIGPIPE, without a word"
reverse ls -l ./repo-INT laptop/"$(ls repo-INT/manifests/laptop | grep src)" 2>stderr | head -n 1 >first
codes=("${PIPESTATUS[@]}")
[ "${codes[0]}" = 141 ] || fail "exit status ${codes[0]} instead of 141"
silent stderr
