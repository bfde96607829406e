# Unattended runs: silent when all is well, one at a time, loud when something is missing.
. "$E2E/lib.sh"

# cron COMMAND...: with the environment that cron gives.
cron() { env -i HOME="$HOME" PATH="$PATH" LOGNAME=nobody SHELL=/bin/sh "$@" </dev/null; }

mkdir src && echo content >src/file

step "the first run with --no-create fails, so that a missing disk is noticed"
expect 10 cron reverse-backup -q --no-create ./src ./repo
[ ! -e repo ] || fail "something was made"

step "a good run says nothing"
expect 0 cron reverse-backup -q ./src ./repo
silent stdout stderr
expect 0 cron reverse-backup -q --no-create ./src ./repo
silent stdout stderr

step "a second backup of a set at the same time is told who is at it"
cron reverse-backup -q --host laptop --stdin-filename dump --stdin-from-command 'echo half; exec sleep 20' ./repo 2>/dev/null &
first=$!
lock=$(echo home/.cache/reverse/running)
wait_for eval "grep -q . $lock/*-laptop,dump"
holder=$(cat $lock/*-laptop,dump)
expect 75 cron reverse-backup -q --host laptop --stdin-filename dump --stdin-from-command 'echo other' ./repo
says stderr "the set 'laptop/dump' is being backed up already, by process $holder"
silent stdout

step "other sets and readers are not held up"
expect 0 cron reverse-backup -q ./src ./repo
expect 0 reverse list ./repo

step "the lock goes with its process, however that ends"
kill -9 "$holder"
{ wait "$first"; } 2>/dev/null
expect 0 cron reverse-backup -q --host laptop --stdin-filename dump --stdin-from-command 'echo other' ./repo
[ "$(reverse cat ./repo laptop/dump:dump)" = other ] || fail "another content was stored"

step "two backups of different sets side by side"
mkdir src2 && echo other >src2/file
cron reverse-backup -q ./src2 ./repo & first=$!
cron reverse-backup -q ./src ./repo & second=$!
wait "$first" || fail "the first failed"
wait "$second" || fail "the second failed"

step "list --max-age speaks up where backups are missing"
expect 0 cron reverse list -q ./repo --max-age 26h
silent stdout stderr
expect 3 cron reverse list -q ./repo --max-age 0
says stderr "src2: no complete revision is young enough"

step "an emptied source is refused, and says how to go on"
rm src/file
expect 5 cron reverse-backup -q ./src ./repo
says stderr "--allow empty"

step "a lost repository directory is not made anew"
mv repo elsewhere
echo content >src/file
expect 5 cron reverse-backup -q ./src ./repo
says stderr "--allow create"
[ ! -e repo ] || fail "something was made"
