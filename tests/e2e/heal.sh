# After damage: what is lost is named, taken out, and stored again by the next backup or from whatever still has it.
. "$E2E/lib.sh"

# objects_of FILE...: where the contents of these files lie.
objects_of() {
  md5sum "$@" | while read -r digest _; do echo "repo/objects/${digest:0:2}/$digest"; done
}

# spoil FUNCTION FILE...: does something to the object of each file.
spoil() {
  local how=$1 object
  shift
  objects_of "$@" | while read -r object; do
    chmod u+w "$object" && "$how" "$object" && { [ ! -e "$object" ] || chmod u-w "$object"; }
  done
}
rot() { printf '\377' | dd of="$1" bs=1 seek=2 conv=notrunc status=none; }
cut_short() { truncate -s -1 "$1"; }
empty() { : >"$1"; }
take_away() { rm -f "$1"; }
write_through_a_view() { ln "$1" "views/${1##*/}" && echo more >>"views/${1##*/}"; }

damage() {
  spoil rot src/docs/page1.txt src/large
  spoil cut_short src/docs/page2.txt
  spoil empty src/docs/page3.txt
  spoil take_away src/docs/page4.txt
  spoil write_through_a_view src/docs/page5.txt
}
damaged='docs/page1.txt docs/page2.txt docs/page3.txt docs/page4.txt docs/page5.txt large'

step "a tree in a repository, and in a second one"
mkdir -p src/docs views
for i in {1..300}; do echo "this is page $i" >"src/docs/page$i.txt"; done
head -c 3000000 /dev/urandom >src/large
settle
expect 0 reverse-backup -q ./src ./repo
expect 0 reverse-backup -q ./src ./second

step "damage of every kind is named, file by file"
damage
expect 4 reverse-verify -q ./repo
sed 's/.*://' stdout | sort | tr '\n' ' ' >named
[ "$(cat named)" = "$damaged " ] || fail "named are: $(cat named)"

step "a restore gives all other files, and none of these under its name"
expect 4 reverse-restore -q ./repo latest -t ./without
for file in $damaged; do [ ! -e "without/$file" ] || fail "$file was restored"; done
[ "$(find without -type f | wc -l)" = 295 ] || fail "not all other files were restored"

step "taken out, it is stored again by a backup of the unchanged tree"
expect 5 reverse-verify -q --quarantine ./repo
expect 4 reverse-verify -q --quarantine --allow mass-damage ./repo
expect 4 reverse-restore -q ./repo latest -t ./still-without
for file in $damaged; do [ ! -e "still-without/$file" ] || fail "$file was restored"; done
expect 0 reverse-backup -q ./src ./repo
expect 0 reverse-verify -q ./repo
silent stdout stderr
expect 0 reverse-restore -q ./repo latest~1 -t ./back
same src back
[ "$(cat "views/$(md5sum <src/docs/page5.txt | cut -c 1-32)" | tail -n 1)" = more ] || fail "the view has changed"

step "from a plain copy under other names, with no machine that has the files"
mkdir -p disk/old
i=0
find src -type f | while read -r file; do i=$((i + 1)) && cp "$file" "disk/old/$i"; done
rm -rf views && mkdir views
damage
expect 4 reverse-verify -n --heal-from ./disk ./repo
says stdout "nothing was changed; without -n: healed 6 objects"
expect 0 reverse-verify --heal-from ./disk ./repo
says stdout "healed 6 objects"
expect 0 reverse-verify -q ./repo
silent stdout stderr

step "from another repository: half of all objects, pages among them"
find repo/objects -type f | sort | sed -n 'n;p' | xargs rm -f
expect 4 reverse-verify -q --quick ./repo
expect 0 reverse-verify -q --heal-from ./second ./repo
expect 0 reverse-verify -q ./repo
silent stdout stderr
expect 0 reverse-restore -q ./repo latest -t ./again
same src again

step "killed again and again, and then not"
damage
for i in 1 2 3 4 5 6 7 8; do
  { timeout -s KILL "0.0$i" reverse-verify -q --quarantine --allow mass-damage ./repo; } >/dev/null 2>&1
  { timeout -s KILL "0.0$i" reverse-verify -q --heal-from ./disk ./repo; } >/dev/null 2>&1
done
expect 0 reverse-verify -q --heal-from ./disk ./repo
expect 0 reverse-backup -q ./src ./repo
expect 0 reverse-verify -q ./repo
silent stdout stderr

step "the disk that the files lie on forgets: size and time say nothing, the content does"
touch -r src/docs/page9.txt time
rot src/docs/page9.txt
touch -r time src/docs/page9.txt
echo edited >>src/docs/page10.txt
rm src/docs/page11.txt
sleep 0.1
expect 4 reverse-verify ./repo latest --against ./src
says stdout "rotten      docs/page9.txt"
says stdout "changed     docs/page10.txt"
says stdout "missing     docs/page11.txt"
expect 0 reverse-restore -q ./repo latest:docs/page9.txt -t ./src/docs --overwrite always
expect 0 reverse-verify -q ./repo latest --against ./src
