# `restore -t -`: archives that tar reads, as true as a restore, and damaged content never under its name.
. "$E2E/lib.sh"

# Says whether `tar x` of the archive "archive" gives what $1 is; attributes too where the file system has them.
extracts_to() {
  rm -rf out && mkdir out
  tar -C out --warning=no-timestamp --xattrs --xattrs-include='*' -xpf archive 2>stderr || fail "tar does not read the archive"
  silent stderr
  same "$1" out
}

long=$(printf 'component-%0.s' {1..9})
mkdir -p "src/$long/$long/$long" src/docs src/empty
echo deep >"src/$long/$long/$long/$long"
ln -s "$long/$long/$long/$long" src/link
ln -s "$(printf 'nowhere/%0.s' {1..30})" src/far-link
echo text >src/docs/a.txt
ln src/docs/a.txt src/docs/b.txt
ln src/docs/a.txt src/second-name
printf '' >src/docs/nothing
head -c 3000000 /dev/urandom >src/large
truncate -s 2000000 src/hole
mkfifo src/pipe
echo odd >"src/new
line 'quoted' -\\"
echo bytes >"$(printf 'src/bytes \377\376')"
setfattr -n user.comment -v 'an attribute' src/docs/a.txt 2>stderr || skip "attributes: $(cat stderr)"
touch -d @-1.5 src/docs/nothing
touch -d @1390644000.123456789 src/large
chmod 2750 src/docs
chmod 500 src/empty
expect 0 reverse -q ./src ./repo

step "tar makes of the archive what was backed up"
expect 0 reverse restore ./repo latest -t -
cp stdout archive
says stderr "files, "
says stderr "to an archive"
extracts_to src

step "-q says nothing beside it; a path begins with its last component"
expect 0 reverse restore -q ./repo latest:docs latest:large -t -
silent stderr
cp stdout archive
[ "$(tar tf archive | sort | tr '\n' ' ')" = 'docs/ docs/a.txt docs/b.txt docs/nothing large ' ] || fail "$(tar tf archive)"
command -v busybox >/dev/null && { busybox tar tf archive >/dev/null || fail "busybox does not read it"; }
[ $(($(stat -c %s archive) % 10240)) = 0 ] || fail "not a multiple of tar's record"

step "only what was asked for, with the directories on the way"
printf 'docs/b.txt\0large\0gone\0' >wanted
expect 3 reverse restore ./repo latest -t - --files-from0 wanted
says stderr "gone"
cp stdout archive
[ "$(tar tf archive | tr '\n' ' ')" = './ docs/ docs/b.txt large ' ] || fail "$(tar tf archive)"
expect 0 reverse restore -n ./repo latest -t - --include 'docs/a*'
says stdout "docs/a.txt"

step "damaged content is left out and named, the rest is there, and the code is 4"
for content in 'text' large; do
  case $content in large) object=$(md5sum <src/large) ;; *) object=$(echo text | md5sum) ;; esac
  object=${object%% *}
  cp -f "repo/objects/${object:0:2}/$object" kept
  chmod u+w "repo/objects/${object:0:2}/$object"
  printf X | dd of="repo/objects/${object:0:2}/$object" bs=1 seek=2 conv=notrunc 2>/dev/null
  expect 4 reverse restore -q ./repo latest -t -
  cp stdout archive
  tar tf archive >names
  [ "$content" = large ] && { grep -qx large names && fail "damaged content is in the archive"; }
  [ "$content" = text ] && { grep -qx docs/a.txt names && fail "damaged content is in the archive"; }
  grep -qx link names || fail "the rest is missing"
  step "... but whole where the trash holds a whole copy of it"
  mkdir -p repo/trash/0123456789abcdef0123456789abcdef
  cp kept "repo/trash/0123456789abcdef0123456789abcdef/$object"
  expect 0 reverse restore -q ./repo latest -t -
  cp stdout archive
  extracts_to src
  expect 0 reverse cat ./repo latest:large
  cmp -s stdout src/large || fail "cat writes something else"
  expect 0 reverse restore -q ./repo latest -t ./back
  same src back
  chmod -R u+rwx back && rm -rf back
  mv "repo/trash/0123456789abcdef0123456789abcdef/$object" "repo/objects/${object:0:2}/$object"
done

step "what does not go together is refused"
expect 2 reverse restore ./repo latest -t - --delete
expect 2 reverse restore ./repo latest -t - --overwrite always
expect 2 reverse restore --json ./repo latest -t -
