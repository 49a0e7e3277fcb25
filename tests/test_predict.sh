#!/usr/bin/env bash
# A detector's commands from outside: test, predict and data, on drawn pictures and a net of a few
# steps; what they write, and what they refuse. Usage: test_predict.sh PROGRAM
set -uo pipefail

source "$(dirname "$0")/cli_checks.sh"

# json FILE: is JSON, where there is something to tell.
json() {
    checks=$((checks + 1))
    command -v python3 >/dev/null || return 0
    python3 -m json.tool "$1" >/dev/null 2>&1 || complain "$1 is no JSON"
}

# has FILE PATTERN...
has() {
    local file=$1 pattern
    shift
    for pattern in "$@"; do
        checks=$((checks + 1))
        grep -Eq -- "$pattern" "$file" || complain "$file: no $pattern"
    done
}

# hasnot FILE PATTERN
hasnot() {
    checks=$((checks + 1))
    if grep -Eq -- "$2" "$1"; then complain "$1: has $2"; fi
}

# size FILE WIDTH HEIGHT: of a PNG file, both below 65536.
size() {
    local wanted got
    checks=$((checks + 1))
    wanted=$(printf ' 0 0 %d %d 0 0 %d %d' $(($2 / 256)) $(($2 % 256)) $(($3 / 256)) $(($3 % 256)))
    got=$(od -An -t u1 -j 16 -N 8 "$1" | tr -s ' ')
    [ "$got" = "$wanted" ] || complain "$1: the header says$got, wanted$wanted"
}

detector=(MODEL.BACKBONE.CONV_BODY RepOpt-FPN-YUMIN MODEL.KEYPOINT_ON true MODEL.FCOS.NUM_CLASSES 4
          MODEL.YUMIN.WIDTH_MUL 0.25 MODEL.YUMIN.FPN_CHANNELS 16 MODEL.FCOS.NORM_REG_TARGETS true
          MODEL.FCOS.INFERENCE_TH 0 INPUT.SIZE '(96,96)' INPUT.TO_BGR255 false
          INPUT.PIXEL_MEAN '(0.5,0.5,0.5)' INPUT.PIXEL_STD '(0.25,0.25,0.25)'
          DATASETS.DRAWN_COUNT_TRAIN 8 DATASETS.DRAWN_COUNT_TEST 4 SOLVER.IMS_PER_BATCH 4
          TEST.IMS_PER_BATCH 4 SOLVER.MAX_ITER 2 SOLVER.WARMUP_ITERS 0 SOLVER.BASE_LR 0.01)
good '^TRAINING_MODE normal: 2 iterations' train --quiet --threads 2 "${detector[@]}" OUTPUT_DIR net
net=net/model_final.safetensors
has "$net" '"categories":"\[.*arrow.*left_eave.*skeleton'
good 'normal: 4 iterations' train --quiet --threads 2 "${small[@]}" OUTPUT_DIR classifier
good 'test.json: 4 pictures' synth --out pics --count 4

# ---- test ---------------------------------------------------------------------------------------
good '^usage: repopt test' test --help
good '^4 pictures, [0-9]+ objects, [0-9]+ detections' test "${detector[@]}" MODEL.WEIGHT "$net" --out t
has stdout '^boxes$' '^  AP50 +[0-9.]+ %' '^  APl +no ground truth' '^keypoints$' '^  VOC AP50 [0-9.]+ %' \
    '^house +[0-9]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+$'
hasnot stdout '-1'
tested=$(sed -n 's/.* \([0-9]*\) detections$/\1/p' stdout)
json t/bbox.json
json t/keypoints.json
has t/bbox.json '^\{"image_id":1,"category_id":[123],"bbox":\[([-0-9.e]+,){3}[0-9.e-]+\],"score":[0-9.e-]+\}'
has t/keypoints.json '^\{"image_id":1,"category_id":[123],"keypoints":\[([-0-9.e]+,[-0-9.e]+,1,){4}[-0-9.e]+,[-0-9.e]+,1\],"score"'
has t/report.html '<svg' 'data:image/png;base64,' 'no ground truth' 'The worst pictures' 'recall' '</html>'
hasnot t/report.html '(src|href)="?https?:|@import|url\(|[>M"]-?nan'
checks=$((checks + 1))
[ "$(grep -c image_id t/bbox.json)" = "$tested" ] || complain "bbox.json: not the $tested detections of the table"
good '"APl":null.*"keypoints":\{"AP":.*"classes":\[\{"name":"arrow","id":1,"objects":[0-9]+,"AP":' \
    test --json "${detector[@]}" MODEL.WEIGHT "$net"
json stdout
good '^top-1 ' test "${small[@]}" MODEL.WEIGHT classifier/model_final.safetensors
bad 2 '--out: is for detectors' test --out u "${small[@]}" MODEL.WEIGHT classifier/model_final.safetensors
: >file
bad 3 'file' test --out file "${detector[@]}" MODEL.WEIGHT "$net"

# ---- predict ------------------------------------------------------------------------------------
predict=(predict --weights "$net" --threads 2)
good '^usage: repopt predict' predict --help
good '^\{"file":"pics/test/000001.png","width":160,"height":160,"detections":\[\{"label":"(arrow|house|fish)","score":' \
    "${predict[@]}" --min-score 0 --out drawn pics/test/
json stdout
has stdout '"box":\[([-0-9.]+,){3}[0-9.]+\],"keypoints":\[\{"name":"[a-z_]+","x":[-0-9.]+,"y":'
# The same pictures, drawn or read from files, give the same findings.
has stderr "^4 pictures, $tested detections, 0 skipped; .* pictures/s; drawn in drawn"
size drawn/000003.png 480 480
grep 000003 stdout | sed 's/,$//' >third
good 'pics' "${predict[@]}" --min-score 0 --out alone pics/test/000003.png
checks=$((checks + 1))
grep 000003 stdout | cmp -s - third || complain 'a picture alone gives other findings'
cmp -s drawn/000003.png alone/000003.png || complain 'a picture alone is drawn otherwise'
checks=$((checks + 1))
"$repopt" "${predict[@]}" --min-score 1 --out plain --json found.json pics/test/000003.png >stdout 2>stderr ||
    complain '--json FILE: exit code not 0'
json found.json
has found.json '"detections":\[\]'
checks=$((checks + 1))
[ -s stdout ] && complain '--json: something on the standard output, too'
cmp -s drawn/000003.png plain/000003.png && complain 'findings are not drawn'
# Folders below the folder keep their names; settings may stand among the pictures.
good 'pics/train/000002.png' "${predict[@]}" --out tree pics TEST.IMS_PER_BATCH=3 MODEL.FCOS.INFERENCE_TH=0.9
has stderr '^8 pictures, 0 detections'
size tree/train/000002.png 480 480
size tree/test/000002.png 480 480
"$repopt" config "${detector[@]}" >net.yaml
good 'pics/test/000001' "${predict[@]}" --config-file net.yaml pics/test/000001.png

head -c 2000 pics/test/000001.png >damaged.png
echo 'no picture' >words.jpg
mkdir empty && : >empty/notes.txt
bad 2 'no weights given' predict pics
bad 2 'no pictures given' "${predict[@]}"
bad 3 'absent.png: No such file' "${predict[@]}" absent.png
bad 3 'empty: holds no .jpg' "${predict[@]}" empty
bad 3 'damaged.png: .*ends early' "${predict[@]}" --out none pics/test/000001.png damaged.png
untouched none
good 'pics/test/000001' "${predict[@]}" --skip-bad words.jpg damaged.png pics/test/000001.png
json stdout
has stderr '^warning: damaged.png' '^warning: words.jpg' '^1 pictures, [0-9]+ detections, 2 skipped'
hasnot stdout damaged
bad 3 'none of 2 can be read' "${predict[@]}" --skip-bad damaged.png words.jpg
bad 3 'absent.safetensors' predict --weights absent.safetensors pics
bad 3 'pics/test/000001.png' predict --weights pics/test/000001.png pics
bad 2 'CONV_BODY is RepOpt-VGG, a classifier' predict --weights classifier/model_final.safetensors pics
for score in nan -0.1 1.5 half ''; do
    bad 2 "--min-score: \"$score\" is not a number from 0 to 1" "${predict[@]}" "--min-score=$score" pics
done
bad 2 'option "--scores"' "${predict[@]}" --scores pics
bad 2 'MODEL.FCOS.NMS' "${predict[@]}" pics MODEL.FCOS.NMS=0.5
bad 2 'MODEL.FCOS.NUM_CLASSES: 5, .*3 categories' "${predict[@]}" pics MODEL.FCOS.NUM_CLASSES=5
bad 2 'overwritten by its own drawing' "${predict[@]}" --out pics/test pics/test
bad 2 'both be drawn as both/000001.png' "${predict[@]}" --out both pics/test pics/train/000001.png
bad 3 'file' "${predict[@]}" --out file pics/test/000001.png
mkfifo pipe
bad 3 'pipe: is no regular file' "${predict[@]}" --json pipe pics/test/000001.png
[ -p pipe ] || complain 'predict: the pipe is a file now'
bad 3 'nowhere/found.json' "${predict[@]}" --json nowhere/found.json pics/test/000001.png
# Checkpoints whose categories are not ours, or not there; the header keeps its length.
LC_ALL=C sed 's/\\"id\\":1,/\\"ib\\":1,/' "$net" >foreign.safetensors
bad 3 'foreign.safetensors: metadata "categories": category 1: "id" is missing' predict --weights foreign.safetensors pics
LC_ALL=C sed 's/"categories":/"kategories":/' "$net" >older.safetensors
bad 3 'older.safetensors: does not say what the net finds.*set DATASETS.ANNOTATIONS_TRAIN' predict --weights older.safetensors pics \
    DATASETS.NAME=coco DATASETS.ROOT=absent
good '"label"' predict --min-score 0 --weights older.safetensors --threads 2 pics/test
LC_ALL=C sed 's/"config":"/"konfig":"/' "$net" >bare.safetensors
bad 3 'bare.safetensors: metadata "config" is missing' predict --weights bare.safetensors pics
good 'pics/test/000001' predict --weights bare.safetensors --config-file net.yaml pics/test/000001.png

# ---- data ---------------------------------------------------------------------------------------
good '^usage: repopt data' data --help
good '^train: drawn scenes, train, 8 pictures' data "${detector[@]}" --sheet sheet.png --count 5
has stdout '^  house +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+ +0 +[0-9]+ +5$' '^test: drawn scenes, test, 4 pictures' \
    '^batches: 4 pictures, 2 an epoch, height x width 96 x 96$' '^sheet.png: 5 pictures of training'
checks=$((checks + 1))
[ "$(od -An -c -j 1 -N 3 sheet.png | tr -d ' ')" = PNG ] || complain 'the sheet is no PNG file'
good 'sheet.png: 8 pictures' data "${detector[@]}" --sheet sheet.png --count 100
cp damaged.png pics/test/000003.png
cat >odd.json <<'JSON'
{"images": [{"id": 1, "file_name": "000001.png", "width": 160, "height": 160},
            {"id": 2, "file_name": "000002.png", "width": 160, "height": 120},
            {"id": 3, "file_name": "000003.png", "width": 160, "height": 160},
            {"id": 4, "file_name": "000004.png", "width": 160, "height": 160}],
 "annotations": [{"id": 11, "image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 20], "area": 400, "iscrowd": 0},
                 {"id": 12, "image_id": 1, "category_id": 1, "bbox": [10, 10, 0, 20], "area": 0, "iscrowd": 0},
                 {"id": 13, "image_id": 1, "category_id": 1, "bbox": [200, 10, 20, 20], "area": 400, "iscrowd": 0},
                 {"id": 14, "image_id": 2, "category_id": 1, "bbox": [150, 10, 20, 50], "area": 1025, "iscrowd": 0},
                 {"id": 15, "image_id": 4, "category_id": 1, "bbox": [0, 0, 100, 100], "area": 10000, "iscrowd": 1}],
 "categories": [{"id": 1, "name": "thing"}]}
JSON
coco=(data "${detector[@]}" MODEL.FCOS.NUM_CLASSES 2 DATASETS.NAME coco DATASETS.ROOT . DATASETS.TEST '()'
      DATASETS.IMAGES_TRAIN pics/test DATASETS.ANNOTATIONS_TRAIN)
good '^  thing +5 +3 +3 +1 +1 +1 +0$' "${coco[@]}" odd.json
has stdout 'odd: 1 of crowds: annotation 15 of picture 4$' 'odd: 1 degenerate.*: annotation 12 of picture 1$' \
    'odd: 1 outside .*: annotation 13 of picture 1$' 'odd: 1 beyond .*: annotation 14 of picture 2$' \
    'without objects: picture 3 \(000003.png\), 1 in all' 'bad: picture id 2: .*annotated as 160 x 120' \
    'bad: picture id 3: .*ends early'
good '^odd.png: 2 pictures' "${coco[@]}" odd.json --sheet odd.png SOLVER.IMS_PER_BATCH 2
bad 3 'absent.json' "${coco[@]}" absent.json
bad 2 'no configuration' data
bad 2 'RepOpt-VGG is a classifier' data "${small[@]}"
bad 2 '--count: "0"' data "${detector[@]}" --count 0
bad 3 'nowhere/sheet.png' data "${detector[@]}" --sheet nowhere/sheet.png

echo "$checks checks, $failures failed"
[ "$failures" = 0 ]
