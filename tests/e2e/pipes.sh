# The tools among others: names through pipes, codes through xargs and make, streams in and out.
. "$E2E/lib.sh"

mkdir -p src/sub
printf 1 >"src/with blank"
printf 2 >"src/with
newline"
printf 3 >"src/sub/-n"

step "find chooses what is backed up"
(cd src && find . -type f -print0) | reverse -q --files-from0 - ./src ./repo || fail "no backup"

step "names from ls -0 lead back to contents"
reverse ls -R -0 ./repo latest >names
[ "$(tr -cd '\0' <names | wc -c)" = 4 ] || fail "not four names"
contents=$(grep -z -v '^sub$' names | sed -z 's/^/latest:/' | sort -z | xargs -0 reverse cat ./repo)
[ "$contents" = 321 ] || fail "other contents came back: $contents"

step "xargs takes several sources at once, and any failure is 123"
printf '%s\0' ./src ./src/sub | xargs -0 reverse-backup -q -r ./repo || fail "no backup"
printf '%s\0' ./src ./missing | xargs -0 reverse-backup -q -r ./repo 2>/dev/null
[ $? = 123 ] || fail "xargs saw no failure"

step "a dump through a pipe, and back"
seq 100000 | reverse -q --stdin-filename numbers - ./repo || fail "no backup"
reverse cat ./repo laptop/numbers:numbers | cmp - <(seq 100000) || fail "another stream came back"
expect 1 reverse --stdin-filename broken --stdin-from-command 'seq 100000; false' ./repo
says stderr "failed with exit code 1: nothing is published"
expect 1 reverse cat ./repo laptop/broken:broken

step "results can be had without talk, and talk without results"
reverse ./src ./other >stdout 2>/dev/null || fail "no backup"
[ "$(wc -l <stdout)" = 2 ] || fail "stdout does not hold the two lines of the summary"
reverse ./src ./other 2>stderr >/dev/null || fail "no backup"
silent stderr

step "a full output device is an error"
expect 1 sh -c 'reverse ls ./repo latest --set "*/*src" >/dev/full'
says stderr "standard output"
expect 1 sh -c 'reverse cat ./repo laptop/numbers:numbers >/dev/full'

step "closed standard streams harm nothing"
sh -c 'reverse -q ./src ./repo <&- >&- 2>&-' || fail "no backup"
expect 0 reverse list ./repo

step "every line of --json is an object"
if command -v python3 >/dev/null; then
  for call in "./src ./repo" "list ./repo" "show ./repo" "ls -R ./repo latest --set */*src"; do
    reverse $call --json | python3 -c 'import json, sys
last = [json.loads(line) for line in sys.stdin][-1]
assert last["message_type"] == "summary" and last["exit_code"] == 0' || fail "$call: no clean objects"
  done
else
  skip "parsing --json: there is no python3"
fi
