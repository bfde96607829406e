# The machine that the sessions take place on; sourced by transcripts.sh.

# make_machine ROOT: its files.
make_machine() {
  mkdir -p "$1"/home/joe/docs "$1"/home/joe/photos/2013 "$1"/mnt/disk "$1"/srv/video "$1"/tmp
  cd "$1" || return
  echo 'to do' >home/joe/a.txt
  printf 'Dear Jane,\n' >home/joe/docs/a.txt
  seq 500 >home/joe/docs/numbers.txt
  for i in 1 2 3; do seq $((i * 1000)) $((i * 3000)) >"home/joe/photos/2013/$i.jpg"; done
  seq 100000 >srv/video/film.mkv
}
