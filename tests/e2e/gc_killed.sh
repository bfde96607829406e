# gc is killed with -9 at each of its calls that change a repository. Whatever it leaves: everything published restores,
# backups go on, and the next gc finishes the work.
# place: memory
. "$E2E/lib.sh"

command -v strace >/dev/null || { skip "gc killed at each call: strace is not installed"; exit 77; }
strace -qq -o /dev/null true 2>/dev/null || { skip "gc killed at each call: processes may not be traced here"; exit 77; }

calls=mkdir,rmdir,unlink,rename,renameat2,link,fsync,fdatasync,syncfs
collect() { reverse-gc -q --keep-last 2 --grace 0 "$1"; }

step "a repository in which gc finds everything to do"
mkdir src
for i in {1..30}; do echo "same $i" >"src/same$i"; done
for version in 1 2 3 4; do
  echo "version $version" >src/own
  head -c 50000 /dev/urandom >src/large
  expect 0 reverse-backup -q --time "2014-01-2$version" ./src ./repo
  mkdir -p trees && cp -a src "trees/2014-01-2$version"
done
# In the trash: something that is needed, something that is not, and below tmp/ an upload that was given up.
run=repo/trash/0123456789abcdef0123456789abcdef
mkdir -p "$run"
object() { find repo/objects -name "$(md5sum <"$1" | cut -d' ' -f1)"; }
mv "$(object src/same7)" "$(object trees/2014-01-21/own)" "$run/" || fail "no such objects"
echo half >repo/tmp/0123456789abcdef && touch -d '10 days ago' repo/tmp/0123456789abcdef
cp -a home home-before

# The day in trees/ of a revision; asked once for each.
declare -A days
day_of() {
  days[$1]=${days[$1]:-$(date -d "$(sed -E 's,.*/(....)(..)(..)T(..).*,\1-\2-\3 \4:00Z,' <<<"$1")" +%Y-%m-%d)}
}

# check WHEN: what is published in try/ restores; the newest two must be there.
check() {
  local revision restored=()
  rm -rf back && mkdir back
  while read -r revision _; do
    day_of "$revision"
    reverse restore -q ./try "$revision" -t "./back/${days[$revision]}" >stdout 2>stderr ||
      fail "$1: $revision does not restore"
    restored+=("${days[$revision]}")
  done < <(reverse list ./try)
  [ ${#restored[@]} -ge 2 ] || fail "$1: too few revisions are left"
  same trees back "${restored[@]}"
}

# finished: nothing is left of what gc had to do.
finished() {
  [ -z "$(find try/trash try/forgotten -type f)" ] || fail "$1: something was left: $(find try/trash try/forgotten -type f)"
  [ ! -e try/tmp/0123456789abcdef ] || fail "$1: an abandoned upload was left"
  [ "$(ls -d try/writing*)" = try/writing ] || fail "$1: a closed gate was left"
  [ "$(reverse list ./try | wc -l)" = 2 ] || fail "$1: not two revisions"
}

step "the calls of a run that nobody disturbs"
cp -a repo try
strace -qq -f -e trace="$calls" -o calls reverse-gc -q --keep-last 2 --grace 0 ./try || fail "gc"
check "an undisturbed run"
finished "an undisturbed run"
total=0
for call in ${calls//,/ }; do
  count=$(grep -cE "^[0-9]+ +$call\(" calls)
  for ((n = 1; n <= count; n++)); do
    rm -rf try && cp -a repo try
    code=0
    {
      strace -qq -f -e trace="$call" -e inject="$call:signal=KILL:when=$n" -o /dev/null \
        reverse-gc -q --keep-last 2 --grace 0 ./try >stdout 2>stderr || code=$?
    } 2>/dev/null  # "Killed"
    [ "$code" = 137 ] || fail "$call $n: exit code $code, it was not killed"
    check "$call $n"
    if ((total % 4 == 0)); then  # a writer that was at work before goes on
      rm -rf home && cp -a home-before home
      echo "version new" >src/own
      expect 0 reverse-backup -q --time 2014-01-25 ./src ./try
      rm -rf trees/2014-01-25 && cp -a src trees/2014-01-25
    fi
    expect 0 collect ./try
    silent stdout stderr
    finished "$call $n"
    check "after $call $n"
    total=$((total + 1))
  done
done
[ "$total" -ge 20 ] || fail "only $total calls were seen"
step "killed at $total calls"
