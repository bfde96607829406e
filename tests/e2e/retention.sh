# Rules keep what restic's keep: both tools see revisions of the same times, and are asked with the same words.
# place: memory
. "$E2E/lib.sh"

for tool in restic python3; do
  command -v $tool >/dev/null || { skip "rules are not compared with restic's: $tool is not installed"; exit 77; }
done
export RESTIC_PASSWORD=secret RESTIC_REPOSITORY=$PWD/restic RESTIC_CACHE_DIR=$PWD/restic-cache
mkdir src && echo content >src/file

# Two hosts: one whose history has months, a year's end, days with several revisions and a zone that changed; one with
# revisions of a few hours. "ZONE TIME [TAG,...]", the time as that zone has it.
cat >times.desk <<'EOF'
UTC 2012-02-29 12:00:00 yearly,leap
UTC 2012-12-30 23:59:59
UTC 2012-12-31 00:00:00
UTC 2013-01-06 23:30:00 yearly
UTC 2013-01-07 00:00:00
Asia/Tokyo 2013-12-28 00:30:00
Asia/Tokyo 2013-12-28 23:30:00
America/New_York 2013-12-28 23:30:00 leap
UTC 2013-12-29 05:00:00
UTC 2014-01-31 10:00:00
UTC 2014-03-01 10:00:00
UTC 2014-03-03 10:00:00
UTC 2014-03-31 10:00:00
EOF
cat >times.lap <<'EOF'
UTC 2014-01-25 08:59:59
UTC 2014-01-25 09:00:00
UTC 2014-01-25 09:59:59 yearly
UTC 2014-01-25 12:00:00
UTC 2014-01-26 00:00:00
EOF

step "the same revisions in both repositories"
restic init -q || fail "restic init"
for host in desk lap; do
  while read -r zone day time tags; do
    echo "TZ=$zone restic backup -q --host $host --time '$day $time' ${tags:+--tag $tags} src"
    moment=$(TZ=$zone date -d "$day $time" +%Y-%m-%dT%H:%M:%S%:z)
    words=(--host "$host" --label src --time "$moment")
    for tag in ${tags//,/ }; do words+=(--tag "$tag"); done
    TZ=$zone reverse-backup -q --allow set "${words[@]}" ./src ./repo || fail "reverse-backup ${words[*]}"
  done <"times.$host"
done >backups
xargs -P 4 -d '\n' -n 1 sh -c <backups || fail "restic backup"

# Prints "HOST TIME" of what is kept, sorted; both tools tell times to the second and with their zone.
cat >kept_by_restic.py <<'EOF'
import datetime, json, sys
for group in json.load(sys.stdin):
    for kept in group["keep"] or []:
        time = datetime.datetime.fromisoformat(kept["time"].replace("Z", "+00:00"))
        print(kept["hostname"], time.astimezone(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ"))
EOF
cat >kept_by_reverse.py <<'EOF'
import json, sys
def counts(reason):
    return sys.argv[1] == "oldest" or not reason.endswith(" (oldest)")
for line in sys.stdin:
    told = json.loads(line)
    if told["message_type"] == "retention" and any(map(counts, told["reasons"])):
        host, label, name = told["revision"].split("/")
        print(host, name.split("-")[0])
EOF

# restic_keeps RULE...
restic_keeps() { TZ=UTC restic forget --dry-run --json --group-by host "$@" | python3 kept_by_restic.py | sort; }

# The oldest revision is kept while a rule has places left: releases of restic before that are asked about the rest.
oldest=unknown
restic_keeps --keep-daily 9 | grep -q "^lap 20140125T085959Z" && oldest=oldest

# compare RULE...: what both keep.
compared=0
compare() {
  restic_keeps "$@" >by_restic
  [ -s by_restic ] || fail "restic keeps nothing by $*"
  expect 0 reverse-gc -n --json --allow last "$@" ./repo
  python3 kept_by_reverse.py $oldest <stdout | sort >by_reverse
  cmp -s by_restic by_reverse || fail "$* keeps other revisions than restic's: $(diff by_restic by_reverse)"
  compared=$((compared + 1))
}

step "what is kept"
while read -r rules; do
  # shellcheck disable=SC2086
  compare $rules
done <<'EOF'
--keep-last 3
--keep-hourly 2
--keep-daily 4
--keep-weekly 3
--keep-weekly 6 --keep-last 1
--keep-monthly 2
--keep-yearly 9
--keep-daily 2 --keep-monthly 3 --keep-yearly 2
--keep-within 1m
--keep-within 1y2m1d6h
--keep-within-daily 3m --keep-within-yearly 5y
--keep-tag yearly
--keep-tag yearly,leap --keep-last 1
--keep-tag yearly --keep-tag leap
EOF
step "$compared questions, the same answers"
