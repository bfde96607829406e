# A machine that may only add to a repository, by the manual's recipe: OpenSSH's server and two accounts beside root's.
# needs: root
. "$E2E/lib.sh"
. "$E2E/ssh_lib.sh"

add_accounts "laptop:*:4711:4712::$PWD:/usr/sbin/nologin" "backup:*:4713:4712::$PWD:/bin/sh"
# as_owner COMMAND...: with the rights of the repository's owner, no more.
mkdir owner && chown 4713 owner
as_owner() { setpriv --reuid=4713 --regid=4712 --clear-groups env HOME="$PWD/owner" TMPDIR="$PWD/owner" "$@"; }

denied=remove,rmdir,rename,posix-rename,setstat,fsetstat,lsetstat,symlink
# serve_laptop FLAGS: what it may do.
serve_laptop() {
  start_server 'Match User laptop' "ForceCommand internal-sftp $1 -P $denied" 'DisableForwarding yes' 'PermitTTY no'
  echo '  User laptop' >>home/.ssh/config
  ssh-keyscan -p "$port" 127.0.0.1 2>/dev/null >home/.ssh/known_hosts
}
serve_laptop '-u 0007'
repo=$PWD/repo
mkdir -p src/folder
for i in {1..30}; do echo "content $i" >"src/folder/$i"; done
head -c 3000000 /dev/urandom >src/large

step "the directory must say who may add"
mkdir -m 700 private && chown 4713 private
expect 2 as_owner reverse init --append-only "$PWD/private"
says stderr "install -d -m 2750 -g GROUP"
[ -z "$(ls private)" ] || fail "something was made"

install -d -m 2750 -o 4713 -g 4712 repo
expect 0 as_owner reverse init --append-only "$repo"

step "the machine backs up, and again with changes"
expect 0 reverse ./src "lb:$repo"
silent stderr
echo changed >src/folder/1
echo new >src/new
expect 0 reverse ./src "lb:$repo"
says stdout "1 new, 1 changed"
silent stderr

step "what its server does is told"
expect 0 reverse show --server "lb:$repo"
says stdout "publishes  by hard link; this account removes nothing"
says stdout "no       renames files"
expect 0 reverse show --server --json "lb:$repo"
says stdout '"hard_links":true'
says stdout '"remove":false'

step "the owner's gc sweeps what the machine had to leave"
[ "$(find repo/tmp -type f -links 2 | wc -l)" -ge 30 ] || fail "nothing was left"
expect 0 as_owner reverse-gc "$repo"
[ -z "$(find repo/tmp -type f -links 2)" ] || fail "left-overs stay"
expect 0 as_owner reverse-verify "$repo"

step "OpenSSH's own client changes nothing that was published with that account"
sums() { (cd repo && find objects manifests repository.yaml -type f -exec md5sum {} + | sort); }
sums >before
object=$(cd repo && find objects -type f | head -n 1)
head=$(cd repo && find manifests -type f | head -n 1)
for victim in "$object" "$head" repository.yaml; do  # a dash: go on when it fails
  printf -- '-%s\n' "rm $repo/$victim" "rename $repo/$victim $repo/tmp/x" "chmod 666 $repo/$victim" "put src/new $repo/$victim" \
    "reput src/large $repo/$victim" "ln $repo/tmp/x $repo/$victim" "rmdir $repo/$(dirname "$victim")"
done >batch
for directory in . forgotten trash gc bad writing; do
  printf -- '-%s\n' "put src/new $repo/$directory/planted" "mkdir $repo/$directory/planted"
done >>batch
echo "put src/new $repo/tmp/planted" >>batch
expect 0 sftp -q -b batch lb
[ "$(find repo -name planted)" = repo/tmp/planted ] || fail "something was planted: $(find repo -name planted)"
sums | cmp -s - before || fail "something changed"
expect 1 reverse forget "lb:$repo" latest --allow last
says stderr "ermission denied"

step "the owner's rules remove what the machine made"
expect 0 as_owner reverse-gc --keep-last 1 --grace 0 "$repo"
[ "$(find repo/manifests -type f | wc -l)" = 1 ] || fail "the older revision stays"
expect 0 as_owner reverse-verify "$repo"
echo more >src/more
expect 0 reverse ./src "lb:$repo"
expect 0 reverse restore -q "lb:$repo" latest -t ./back
same src back

step "without a gate it comes back later"
rm -r repo/writing/*
expect 75 reverse ./src "lb:$repo"
says stderr "run reverse-gc there"
expect 0 as_owner reverse-gc "$repo"
expect 0 reverse ./src "lb:$repo"

step "a server that would keep the owner out of new directories is told of"
serve_laptop '-u 0022'
expect 0 reverse --label other ./src "lb:$repo"
says stderr "manifests/laptop/other' has the mode 2750 instead of 2770"
says stderr "internal-sftp -u"
