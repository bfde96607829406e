# A restore that makes its target exactly what the revision was, goes on after a break, and keeps what can be had of damaged content.
. "$E2E/lib.sh"

mkdir -p src/docs/deep src/photos src/cache
for i in {1..40}; do echo "content $i" >"src/docs/$i"; done
head -c 2000000 /dev/urandom >src/photos/large
echo keep >src/cache/keep
expect 0 reverse -q ./src ./repo
cp -a src target

step "--delete -n tells what would go, and touches nothing"
mkdir -p target/docs/new/deeper target/photos/more outside
echo precious >outside/file
echo 1 >target/docs/new/deeper/file
echo 2 >target/top
ln -s "$PWD/outside" target/docs/link
echo 3 >target/cache/other
find target | sort >before
expect 0 reverse restore -n --delete ./repo latest -t ./target
grep '^deleted' stdout | awk '{ print $4 }' | sort >plan
printf '%s\n' cache/other docs/link docs/new/deeper/file top | cmp -s - plan || fail "another plan: $(cat plan)"
find target | sort | cmp -s before - || fail "a dry run changed the target"
says stdout "4 not in the revision: to be deleted"

step "the run does exactly that, follows no link, and leaves what is excluded"
expect 0 reverse restore -v --delete --exclude cache/other ./repo latest -t ./target
grep '^deleted' stdout | awk '{ print $4 }' | sort >done
grep -v cache plan | cmp -s - done || fail "not what the plan said: $(cat done)"
[ -e outside/file ] || fail "a link was followed"
[ -e target/cache/other ] || fail "something excluded was deleted"
expect 0 reverse restore --json --delete ./repo latest -t ./target
[ "$(json files_deleted)" = 1 ] || fail "files_deleted: $(json files_deleted)"
same src target

step "only within what is restored"
echo x >target/top
echo x >target/docs/x
expect 0 reverse restore -q --delete ./repo latest:docs -t ./target
[ -e target/top ] && [ ! -e target/docs/x ] || fail "it was deleted elsewhere, or not at all"
echo x >target/photos/x
expect 0 reverse restore -q --delete ./repo latest -t ./target --include docs
[ -e target/photos/x ] || fail "it was deleted where nothing is restored"
rm target/top target/photos/x

step "a directory that could not be read when it was backed up says nothing of what was in it"
mkdir src/closed
echo secret >src/closed/file
chmod 0 src/closed
expect 3 reverse -q ./src ./repo
chmod 700 src/closed
mkdir target/closed
cp src/closed/file target/closed
revision=$(cd repo/manifests && echo */*/*.yaml | tr ' ' '\n' | sort | tail -n 1)
expect 3 reverse restore -q --delete ./repo "${revision%.yaml}" -t ./target
chmod 700 target/closed
[ -e target/closed/file ] || fail "absence was inferred from an error"

step "--files-from: paths, absolute or as in the revision; standard input"
printf '%s\n' docs/1 "$PWD/src/photos" nonsense >list
expect 3 reverse restore ./repo latest -t ./some --files-from list
says stderr "nonsense"
[ "$(cd some && find . -type f | sort | tr '\n' ' ')" = './docs/1 ./photos/large ' ] || fail "$(find some)"
printf 'docs/2\n' | expect 0 reverse restore -q ./repo latest -t ./some --files-from -
[ -e some/docs/2 ] || fail "standard input was not read"

step "a restore that was killed goes on: what is there is not read again"
mkdir many
head -c 40000000 /dev/urandom >many/0-large
for i in {1..300}; do head -c 20000 /dev/urandom >"many/$i"; done
expect 0 reverse -q ./many ./many-repo
reverse restore -q ./many-repo latest -t ./back &
pid=$!
for _ in {1..2000}; do [ "$(find back -name '[1-9]*' 2>/dev/null | wc -l)" -gt 20 ] && break; kill -0 $pid 2>/dev/null || break; done
kill -9 $pid 2>/dev/null
wait $pid 2>/dev/null
case $(stat -f -c %T .) in
ext2/ext3 | tmpfs | xfs | btrfs) [ -z "$(find back -name '.*')" ] || fail "left behind: $(find back -name '.*')" ;;
*) skip "nothing is left behind: files without names may be unknown here" ;;
esac
there=$(find back -type f -not -name '.*' | wc -l)
expect 0 reverse restore --json ./many-repo latest -t ./back
[ "$(json files_skipped)" = "$there" ] || fail "$there were there, $(json files_skipped) were skipped"
[ "$(json files_restored)" = $((301 - there)) ] || fail "restored: $(json files_restored)"
expect 0 reverse restore -q --delete ./many-repo latest -t ./back
same many back

step "--salvage: what there is of damaged content, under a name that says so"
object=$(md5sum <src/photos/large)
object=repo/objects/${object:0:2}/${object%% *}
chmod u+w "$object"
truncate -s 1000000 "$object"
expect 4 reverse restore --json --salvage ./repo latest:photos -t ./saved
[ "$(json files_salvaged)" = 1 ] || fail "files_salvaged: $(json files_salvaged)"
[ ! -e saved/photos/large ] || fail "damaged content has the file's name"
cmp -s "$object" saved/photos/large.damaged || fail "not what there was"
rm -f "$object"
expect 4 reverse restore -q --salvage ./repo latest:photos -t ./saved2
[ -z "$(find saved2 -type f)" ] || fail "something was made of nothing"
