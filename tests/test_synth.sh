#!/usr/bin/env bash
# `repopt synth` from outside: what it writes, that it writes the same again, what it refuses, and
# that what it did not finish does not look finished. Usage: test_synth.sh PROGRAM
set -uo pipefail

source "$(dirname "$0")/cli_checks.sh"

# same FOLDER FOLDER: the same files with the same bytes.
same() {
    checks=$((checks + 1))
    diff -r "$1" "$2" >stdout 2>stderr || complain "$1 and $2 differ"
}

# count PATTERN WANTED: so many files match.
count() {
    checks=$((checks + 1))
    [ "$(compgen -G "$1" | wc -l)" = "$2" ] || complain "$1: wanted $2 files"
}

good '^usage: repopt synth' synth --help
good '^usage: repopt synth' help synth
good '^a/annotations/train.json: 12 pictures, [0-9]+ objects .*seen' synth --out a --count 12
good '^again/deep/annotations/test.json: 12 pictures' synth --out again/deep --count 12
mkdir b && mv again/deep/annotations again/deep/train again/deep/test b/
count 'a/train/0000*.png' 12
count 'a/test/0000*.png' 12
count 'a/annotations/*.json' 2
count 'a/*' 3
same a b

# PNG of the size asked for; the first pictures of a longer set; another seed, another set.
good 'test.json: 20 pictures' synth --out c --count 20 --split test
count 'c/*' 2
for i in 01 07 12; do
    checks=$((checks + 1))
    cmp -s a/test/0000$i.png c/test/0000$i.png || complain "picture $i depends on how many there are"
done
good 'test.json: 2 pictures' synth --out d --count 2 --split test --size 96 --seed 2
checks=$((checks + 1))
size=$(od -An -t u1 -j 16 -N 8 d/test/000001.png | tr -s ' ')
[ "$size" = ' 0 0 0 96 0 0 0 96' ] || complain "--size 96: the header says$size"
cmp -s a/test/000001.png c/test/000002.png && complain 'two pictures of a set are the same'
good 'test.json: 2 pictures' synth --out e --count 2 --split test --seed 2
checks=$((checks + 1))
cmp -s a/test/000001.png e/test/000001.png && complain '--seed changes nothing'
cmp -s a/test/000001.png a/train/000001.png && complain 'train and test have the same pictures'

# COCO: every list, every field, ids from 1.
for part in '"images":\[' '"id":1,"file_name":"000001.png","width":160,"height":160' \
    '"image_id":[0-9]+,"category_id":[123],"iscrowd":[01],"bbox":\[[0-9.]+,[0-9.]+,[0-9.]+,[0-9.]+\],"area":[0-9]+' \
    '"num_keypoints":[0-5],"keypoints":\[([0-9.]+,){14}[0-2]\]' \
    '"name":"fish","keypoints":\["nose",.*"skeleton":\[\[1,2\],.*"sigmas":\[0.07,'; do
    checks=$((checks + 1))
    grep -Eq -- "$part" a/annotations/train.json || complain "train.json: no $part"
done

good 'train.json: 3 pictures' synth --out f --count 3 --split train --sheet 100
count 'f/*' 3
checks=$((checks + 1))
[ "$(od -An -c -j 1 -N 3 f/train-sheet.png | tr -d ' ')" = PNG ] || complain 'the sheet is no PNG file'

# Written again over an older set: no list of the older pictures is left.
good 'test.json: 1 pictures' synth --out e --count 1 --split test --seed 3
checks=$((checks + 1))
[ "$(grep -c '"file_name"' e/annotations/test.json)" = 1 ] || complain 'an older list is left'

bad 2 'no folder given' synth
bad 2 '"valid" is neither train nor test' synth --out g --split valid
bad 2 '--count: "0" is not a whole number from 1' synth --out g --count 0
bad 2 '--size: "2000" is not a whole number from 64 to 1024' synth --out g --size 2000
bad 2 'word "more"' synth --out g more
count 'g*' 0
: >file
bad 3 'file' synth --out file --count 1
bad 3 'file/deep' synth --out file/deep --count 1

# A disk that is full after a few bytes, and a signal: the pictures have no list.
program=$repopt
on_full_disk() (
    trap '' XFSZ
    ulimit -f 16
    exec "$program" "$@"
)
repopt=on_full_disk
bad 3 'h/train/000001.png' synth --out h --count 2
repopt=$program
count 'h/annotations/*' 0
checks=$((checks + 1))
"$repopt" synth --out e --count 3000 --split test >stdout 2>stderr &
child=$!
for _ in {1..200}; do
    [ -e e/test/000004.png ] && break
    sleep 0.1
done
kill -TERM "$child"
wait "$child"
code=$?
[ "$code" = 130 ] || complain "synth stopped by a signal: exit code $code, wanted 130"
grep -q '^repopt: synth: stopped after [0-9]* of 3000 pictures' stderr || complain 'synth: says not where it stopped'
count 'e/annotations/*' 0
no_partial_files 'synth, stopped'

echo "$checks checks, $failures failed"
[ "$failures" = 0 ]
