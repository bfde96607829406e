# Backups of three machines, two gcs without a grace and somebody who forgets, all at once and each of them killed with -9
# now and then: afterwards every published revision restores bit for bit. gc_thrash.sh [SECONDS]
# place: memory
. "$E2E/lib.sh"

seconds=${1:-20}
RANDOM=$$
expect 0 reverse init ./repo
mkdir trees
until=$((SECONDS + seconds))

# chance N: true once in N.
chance() { ((RANDOM % $1 == 0)); }

# survive CODES COMMAND...: runs it, and kills it somewhere in one of three cases. Any other code than 0, 137 and CODES is
# noted as a failure of the whole.
survive() {
  local codes=" 0 137 $1 " code=0 out=out.$BASHPID
  shift
  if chance 3; then
    { timeout -s KILL "0.$(printf %03d $((RANDOM % 300)))" "$@" >"$out" 2>&1 || code=$?; } 2>/dev/null
  else
    "$@" >"$out" 2>&1 || code=$?
  fi
  [[ $codes == *" $code "* ]] || { echo "exit code $code: $*"; cat "$out"; } >>failures
  return 0
}

# machine N: changes its source and backs it up, over and over. What it backs up is kept under the revision's tag.
machine() {
  local n=$1 run i
  RANDOM=$(($$ + n))
  mkdir -p "source$n/dir"
  for ((i = 0; i < 150; i++)); do echo "all machines have this: $i" >"source$n/dir/$i"; done
  for ((run = 1; SECONDS < until; run++)); do
    for ((i = 0; i < 5; i++)); do echo "$n $RANDOM $RANDOM" >"source$n/dir/$((RANDOM % 150))"; done
    # What another machine has stored, and gc may be about to take out.
    echo "shared $((RANDOM % 8))" >"source$n/shared"
    head -c $((RANDOM * 8)) /dev/zero | tr '\0' "$((RANDOM % 8))" >"source$n/large"
    cp -a "source$n" "trees/$n-$run"
    survive 75 reverse-backup -q --cache-dir "$PWD/cache$n" --host "host$n" --label src --tag "$n-$run" \
      "./source$n" ./repo
  done
}

collector() {
  RANDOM=$(($$ + 100 + $1))
  while ((SECONDS < until)); do
    survive 75 reverse-gc -q --keep-last 3 --grace 0 --allow mass-gc ./repo
    sleep "0.$((RANDOM % 7))"
  done
}

# Forgets and takes back. A revision may be gone by then, or be the last.
forgetter() {
  local revision
  RANDOM=$(($$ + 200))
  while ((SECONDS < until)); do
    revision=$(find repo/manifests -name '*.yaml' -printf '%P\n' 2>/dev/null | shuf -n 1)
    if [ -n "$revision" ]; then
      survive "1 5" reverse forget -q ./repo "${revision%.yaml}"
      ! chance 2 || survive 1 reverse unforget -q ./repo "${revision%.yaml}"
    fi
    sleep "0.$((RANDOM % 5))"
  done
}

# all_restore: each revision that is published, against the tree that its tag names.
all_restore() {
  local revision tag restored=0
  for revision in $(find repo/manifests -name '*.yaml' -printf '%P\n'); do
    tag=$(sed -n 's/^tags: \["\(.*\)"\]$/\1/p' "repo/manifests/$revision")
    rm -rf back
    expect 0 reverse restore -q ./repo "${revision%.yaml}" -t ./back
    same "trees/$tag" back
    restored=$((restored + 1))
  done
  [ "$restored" -ge 3 ] || fail "only $restored revisions are left"
}

step "all at once, for $seconds s"
for n in 1 2 3; do machine $n & done
for n in 1 2; do collector $n & done
forgetter &
wait
[ ! -e failures ] || fail "$(cat failures)"

step "every published revision restores"
all_restore
step "the next gc finishes what others left; every published revision restores"
expect 0 reverse-gc --json --grace 0 --allow mass-gc ./repo
all_restore
left=$(find repo/trash repo/forgotten -type f)
[ -z "$left" ] || fail "something was left: $left"
expect 0 reverse-gc --json --grace 0 ./repo
[ "$(json gate_closed)" = false ] && [ "$(json unreferenced_kept)" = 0 ] || fail "a second gc still found work"
gone=$(cat repo/gc/heads/* | grep -c '"removed": true')
[ "$gone" -ge 3 ] || fail "only $gone revisions were collected"
step "$(ls trees | wc -l) backups were begun, and $gone revisions collected"
