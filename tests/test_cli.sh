#!/usr/bin/env bash
# The program from outside: every command on good input; every kind of bad input gives one line that
# names the thing and the place, the right exit code, and no partial file. Usage: test_cli.sh PROGRAM
set -uo pipefail

results=$(cd "$(dirname "$0")/../scripts" && pwd)/results
source "$(dirname "$0")/cli_checks.sh"
train=(train --quiet --threads 2 "${small[@]}")

# ---- every command on good input ----------------------------------------------------------------
good '^  quickstart ' --help
good '^repopt [0-9]+\.[0-9]+\.[0-9]+$' --version
for command in quickstart train test scales verify show config devices bench; do
    good "^usage: repopt $command" "$command" --help
    good "^usage: repopt $command" help "$command"
done
good '^(cpu|vulkan):.* - auto$' devices
good '^auto takes (cpu|vulkan):' devices
good '"name":.*"cpu:float64"' devices --json
good 'SOLVER.BASE_LR|BASE_LR: *0.05' config "${small[@]}"
good '# ' config --defaults
good '^cls-small-target ' bench --list
good '^det-320-infer-b8 ' bench --list
good '^data-coco-load .*(only when named)' bench --list
good '"name":"eval-coco".*"detections":500000' \
    bench --workload eval-coco --device cpu --threads 1 --steps 1
good '"name":"optim-sgd".*"device":"cpu:.*"threads":1,"dtype":"float32".*"opt_ms":[0-9.]+.*"peak_mib":' \
    bench --workload optim-sgd --device cpu --threads 1 --steps 1 --warmup 0 --min-ms 0
"$repopt" config "${small[@]}" >all.yaml
good 'MAX_ITER: *4' config --config-file all.yaml

good 'hyper_search: 4 iterations' "${train[@]}" TRAINING_MODE hyper_search OUTPUT_DIR out/search
search=out/search/model_final.safetensors
good 'target: 4 iterations' "${train[@]}" TRAINING_MODE RepVgg SCALE "$search" OUTPUT_DIR out/target
target=out/target/model_final.safetensors
good '"mode": "normal".*"top1": [0-9.]+' "${train[@]}" --json OUTPUT_DIR out/normal

# A look at the run does not change it: the same tensors, byte for byte (the header tells OUTPUT_DIR).
good 'normal: 4 iterations' "${train[@]}" --device cpu OUTPUT_DIR out/plain
good '^conv2d_grad_w .*%' "${train[@]}" --device cpu --profile trace.json OUTPUT_DIR out/profiled
grep -q '"cat":"conv2d".*"dur":' trace.json || complain 'trace.json: no timed convolution'
good 'normal: 4 iterations' "${train[@]}" --device cpu --reference-steps 2 OUTPUT_DIR out/referred
same_tensors out/plain out/profiled
same_tensors out/plain out/referred
checks=$((checks + 1))
"$repopt" train "${small[@]}" --device cpu --reference-steps 2 OUTPUT_DIR out/told >stdout 2>stderr
[ "$(grep -c 'float64 reference .*relative difference [0-9.]*e-0[5-9]' stderr)" = 2 ] ||
    complain 'reference: wanted two lines with a small difference'

good '"top1": [0-9.]+.*"count": 32' test --json "${small[@]}" TRAINING_MODE target MODEL.WEIGHT "$target"
good '^stage1.0 +(pair|triple) ' scales "$search"
good '"block":"stage2.0"' scales --json "$target"
good 'stayed within 0.05 of their start' scales "$search"
good '^stage3.0 ' show "${small[@]}"
detector=(MODEL.BACKBONE.CONV_BODY RepOpt-FPN-YUMIN MODEL.KEYPOINT_ON true INPUT.SIZE 64 SOLVER.IMS_PER_BATCH 1)
good '^head.kps.0.block.1 ' show "${detector[@]}"
good ' update +sgd_step ' show --stage=graph TRAINING_MODE hyper_search "${detector[@]}"
good ' update +sgd_step ' show --stage=graph "${small[@]}"
good '^state [0-9.]+ MiB, work [0-9.]+ MiB' show --stage=plan "${small[@]}"
good ' nodes, [0-9.]+ ms; state ' show --stage program "${small[@]}"
good '^0 +forward +conv2d .* 2x1x1 ' show --stage program --device cpu --threads 2 "${small[@]}"
good ' decay ' "${train[@]}" --explain-params OUTPUT_DIR out/explained
untouched out/explained
good 'rows passed: PASS' verify --steps 10 --threads 2
good 'equivalence: PASS' quickstart --out out/quick --threads 2 "${small[@]}" SOLVER.EPOCHS 1
checks=$((checks + 1))
for part in '<svg' 'data:image/png;base64,' 'prefers-color-scheme' 'RepOptimizer' '</html>'; do
    grep -q -- "$part" out/quick/report.html || complain "report.html: no $part"
done
if grep -Eq '(src|href)="?https?:|@import|url\(' out/quick/report.html; then
    complain 'report.html: asks for something outside'
fi
good 'equivalence: PASS' quickstart --out out/quick --seed 5 --threads 2 "${small[@]}" SOLVER.EPOCHS 1
grep -q 'seed 5' out/quick/report.html || complain 'quickstart: a second one does not replace the first'
checks=$((checks + 1))
awk '/^(Hyper-search|RepOptimizer|Ordinary SGD) +[0-9.]+ \+- / { if ($(NF - 2) + 0 <= 0) exit 1 }' stdout ||
    complain 'quickstart: a run took no time'
scenes=(DATASETS.DRAWN_COUNT_TRAIN 16 DATASETS.DRAWN_COUNT_TEST 4 SOLVER.IMS_PER_BATCH 8 TEST.IMS_PER_BATCH 4
        SOLVER.EPOCHS 1 MODEL.YUMIN.CHANNELS '(8,8,16,16,16)' MODEL.YUMIN.FPN_CHANNELS 8)
good 'equivalence: PASS' quickstart --task detect --out out/scenes --threads 2 "${scenes[@]}"
checks=$((checks + 2))
grep -q 'keypoint AP %' stdout || complain 'quickstart --task detect: no keypoint AP in its table'
for part in 'Loss of keypoints' 'Precision over recall, keypoints' 'The worst pictures' 'what is true' \
    'head.kps.0.conv1' '</html>'; do
    grep -q -- "$part" out/scenes/report.html || complain "detector's report.html: no $part"
done
bad 2 '"dance" does not exist; classify and detect do' quickstart --task dance
bad 2 'KEYPOINT_ON: found false' quickstart --task detect --out out/refused MODEL.KEYPOINT_ON false
bad 2 '"RepOpt-VGG" is not what --task detect' quickstart --task detect MODEL.BACKBONE.CONV_BODY RepOpt-VGG
bad 2 'out/search holds a run' quickstart --out out "${small[@]}"
grep -q '^iteration,' out/search/metrics.csv || complain 'metrics.csv: no header'

# ---- usage and configuration: 2 -----------------------------------------------------------------
bad 2 'unknown command "trian"; did you mean "repopt train"' trian
bad 2 '"--no-such-option"' train --no-such-option
bad 2 '"--no-such-option"' devices --no-such-option
bad 2 '"x" is not a whole number' train --threads x
bad 2 '"x" is not a whole number' train --reference-steps x
bad 3 'no-folder/trace' "${train[@]}" --profile no-folder/trace OUTPUT_DIR out/refused
REPOPT_FAULT=explode bad 2 'REPOPT_FAULT: "explode"' devices
bad 2 '"cls-small-tarjet" does not exist, did you mean "cls-small-target"' bench --workload cls-small-tarjet
bad 2 'float16' bench --dtype float16
bad 2 '"modle"' show --stage=modle
bad 2 'CONV_BODY: there is no "R-50-FPN"; there are RepOpt-VGG' show MODEL.BACKBONE.CONV_BODY R-50-FPN
bad 2 'STAGE_WITH_DCN: found True' show "${detector[@]}" MODEL.RESNETS.STAGE_WITH_DCN "(False, True, True, True)"
bad 2 'NUM_CLASSES: 9, but .* has 3 categories' train "${detector[@]}" MODEL.FCOS.NUM_CLASSES 9 OUTPUT_DIR out/refused
bad 2 'scales: no file' scales
bad 2 'SOLVER.BASE_LP.*SOLVER.BASE_LR' "${train[@]}" SOLVER.BASE_LP 1
bad 2 'SOLVER.MAX_ITER.*many' "${train[@]}" SOLVER.MAX_ITER many
bad 2 'SCALE' "${train[@]}" TRAINING_MODE target OUTPUT_DIR out/refused
bad 2 'TRAINING_MODE.*sideways' "${train[@]}" TRAINING_MODE sideways
bad 2 'NESTEROV' "${train[@]}" SOLVER.NESTEROV true SOLVER.MOMENTUM 0 OUTPUT_DIR out/refused
bad 2 'SOLVER.BASE_LR' "${train[@]}" SOLVER.BASE_LR
printf 'SOLVER:\n  BASE_LR: 0.1\n  BASE_LP: 0.1\n' >unknown.yaml
bad 2 'unknown.yaml:3.*BASE_LP' config --config-file unknown.yaml
printf 'SOLVER:\n  BASE_LR: fast\n' >type.yaml
bad 2 'type.yaml:2.*BASE_LR' config --config-file type.yaml
printf 'SOLVER: {BASE_LR: 0.1\n' >cut.yaml
bad 2 'cut.yaml:' config --config-file cut.yaml
head -c 4096 /dev/urandom >noise.yaml
bad 2 'noise.yaml' config --config-file noise.yaml
printf 'a: &a [*a]\nb: *a\n' >alias.yaml
bad 2 'alias.yaml:' config --config-file alias.yaml
printf '%0.s[' {1..5000} >deep.yaml
bad 2 'deep.yaml' config --config-file deep.yaml
bad 2 'absent.yaml' config --config-file absent.yaml

# ---- data and checkpoints: 3 --------------------------------------------------------------------
refused=(OUTPUT_DIR out/refused)
bad 3 'absent.safetensors' "${train[@]}" TRAINING_MODE target SCALE absent.safetensors "${refused[@]}"
bad 3 'absent.safetensors' scales absent.safetensors
bad 3 'absent.safetensors' test "${small[@]}" MODEL.WEIGHT absent.safetensors
bad 2 'MODEL.WEIGHT' test "${small[@]}"
for bytes in 0 7 8 100 1000 20000; do
    head -c "$bytes" "$search" >cut.safetensors
    bad 3 'cut.safetensors' scales cut.safetensors
done
printf '\377\377\377\377\377\377\377\177{}' >absurd.safetensors
bad 3 'absurd.safetensors' scales absurd.safetensors
bad 3 'absurd.safetensors' "${train[@]}" TRAINING_MODE target SCALE absurd.safetensors "${refused[@]}"
printf '\002\000\000\000\000\000\000\000{}' >empty.safetensors
bad 3 'empty.safetensors' scales empty.safetensors
bad 3 'model_final.safetensors' scales out/normal/model_final.safetensors
"$repopt" "${train[@]}" TRAINING_MODE hyper_search MODEL.VGG.NUM_BLOCKS '(1,1,1,1)' MODEL.VGG.WIDTHS '(16,24,8,8)' \
    OUTPUT_DIR out/other >/dev/null 2>&1
other=out/other/model_final.safetensors
bad 3 "$other|another model|other model" "${train[@]}" TRAINING_MODE target SCALE "$other" "${refused[@]}"
bad 3 "$other" test "${small[@]}" MODEL.WEIGHT "$other"
bad 3 "$other" "${train[@]}" MODEL.WEIGHT "$other" "${refused[@]}"
bad 3 'batch|IMS_PER_BATCH' "${train[@]}" SOLVER.IMS_PER_BATCH 65 "${refused[@]}"
bad 3 'nowhere' "${train[@]}" DATASETS.NAME cifar10 DATASETS.ROOT nowhere "${refused[@]}"

mkdir -p cifar-empty cifar-zero cifar-cut cifar-label idx-cut idx-absurd idx-label folder-bad/{train,test}/{a,b}
bad 3 'cifar-empty' "${train[@]}" DATASETS.NAME cifar10 DATASETS.ROOT cifar-empty "${refused[@]}"
: >cifar-zero/data_batch_1.bin
: >cifar-zero/test_batch.bin
bad 3 'cifar-zero' "${train[@]}" DATASETS.NAME cifar10 DATASETS.ROOT cifar-zero "${refused[@]}"
head -c 10000 /dev/zero >cifar-cut/data_batch_1.bin
head -c 3073 /dev/zero >cifar-cut/test_batch.bin
bad 3 'data_batch_1.bin' "${train[@]}" DATASETS.NAME cifar10 DATASETS.ROOT cifar-cut "${refused[@]}"
{ printf '\013'; head -c 3072 /dev/zero; } >cifar-label/data_batch_1.bin
head -c 3073 /dev/zero >cifar-label/test_batch.bin
bad 3 'data_batch_1.bin.*11' "${train[@]}" DATASETS.NAME cifar10 DATASETS.ROOT cifar-label "${refused[@]}"

# idx FOLDER: headers of two 2x2 pictures; the pixels and labels follow as given.
idx() {
    printf '\0\0\010\003\0\0\0\002\0\0\0\002\0\0\0\002' >"$1/train-images-idx3-ubyte"
    printf '\0\0\010\001\0\0\0\002' >"$1/train-labels-idx1-ubyte"
    cp "$1/train-images-idx3-ubyte" "$1/t10k-images-idx3-ubyte"
    cp "$1/train-labels-idx1-ubyte" "$1/t10k-labels-idx1-ubyte"
}
idx idx-cut
bad 3 'idx' "${train[@]}" DATASETS.NAME mnist DATASETS.ROOT idx-cut "${refused[@]}"
printf '\0\0\010\003\377\377\377\377\377\377\377\377\377\377\377\377' >idx-absurd/train-images-idx3-ubyte
cp idx-cut/train-labels-idx1-ubyte idx-absurd/
bad 3 'train-images-idx3-ubyte' "${train[@]}" DATASETS.NAME mnist DATASETS.ROOT idx-absurd "${refused[@]}"
idx idx-label
for split in train t10k; do
    printf '12345678' >>idx-label/$split-images-idx3-ubyte
    printf '\001\377' >>idx-label/$split-labels-idx1-ubyte
done
bad 3 'labels-idx1-ubyte.*255' "${train[@]}" DATASETS.NAME mnist DATASETS.ROOT idx-label "${refused[@]}"

# Pictures that are none. They are decoded when their batch is made, so this run has begun.
for split in train test; do
    for i in 1 2 3 4 5 6 7 8; do
        printf '\211PNG\r\n\032\n\0\0\0\rIHDR\377\377\377\377' >folder-bad/$split/a/$i.png
        printf '\377\330\377\340\0\020JFIF\0' >folder-bad/$split/b/$i.jpg
    done
done
bad 3 'folder-bad/.*(png|jpg)' "${train[@]}" DATASETS.NAME folder DATASETS.ROOT folder-bad INPUT.SIZE 32 \
    OUTPUT_DIR out/begun
mkdir -p folder-empty/{train,test}/{a,b}
bad 3 'folder-empty' "${train[@]}" DATASETS.NAME folder DATASETS.ROOT folder-empty INPUT.SIZE 32 "${refused[@]}"
untouched out/refused

# What was printed went nowhere: to a full device, or into a file that must not grow.
to_sink() {
    (trap '' XFSZ && ulimit -f 0 && exec "$program" "$@" >"$sink") 2>&1 | cat >&2
    return "${PIPESTATUS[0]}"
}
program=$repopt repopt=to_sink
for sink in "$work/lost" /dev/full; do
    [ "$sink" != /dev/full ] || [ -c /dev/full ] || continue
    for words in --help --version 'scales --help' "scales $search" "inspect $search" "inspect --json $search" \
        'config --defaults' devices; do
        read -ra words <<<"$words"
        bad 3 'standard output: (No space left|File too large|cut off)' "${words[@]}"
    done
    bad 3 'standard output: ' test "${small[@]}" --json MODEL.WEIGHT out/normal/model_final.safetensors
    bad 2 'unknown command' trian
done
repopt=$program

# An output folder that cannot be: a file, or below one; and a disk that is full after a few bytes.
bad 3 'all.yaml' "${train[@]}" OUTPUT_DIR all.yaml/out
bad 3 'all.yaml' quickstart --out all.yaml/quick "${small[@]}"
bad 3 '--out: all.yaml is a file, wanted a folder' quickstart --out all.yaml "${small[@]}"
program=$repopt
on_full_disk() (
    trap '' XFSZ
    ulimit -f 16
    exec "$program" "$@"
)
repopt=on_full_disk
bad 3 'out/full' "${train[@]}" OUTPUT_DIR out/full
repopt=$program
checks=$((checks + 1))
[ -z "$(find out/full out/begun -name '*.safetensors')" ] || complain 'a failed run left a checkpoint behind'

# ---- device: 4; numbers: 5 ----------------------------------------------------------------------
bad 4 'quantum.*cpu:float64' "${train[@]}" --device quantum
bad 4 'fallback: .*quantum' "${train[@]}" --fallback quantum
bad 4 'quantum' verify --device quantum
bad 4 'quantum' bench --device quantum --workload peak-fma
bad 5 'iteration' "${train[@]}" SOLVER.BASE_LR 1e30 OUTPUT_DIR out/nan
good '.' scales "$search"

# ---- scripts/results: its words in any order, and runs of other settings ---------------------------
cat >told <<'END'
#!/bin/sh
echo "$*" >>calls
echo '{"top1": 0.5, "loss": 1, "step_ms": 1, "memory_mib": 1, "params": 1}'
END
chmod +x told
program=$repopt repopt=$results
export REPOPT=$work/told
good '^\| sgd \| 50.0 / 50.0 \| 50.0 ' data MODEL.VGG.ACT=relu6 7 runs 8 SOLVER.EPOCHS=3
checks=$((checks + 2))
[ "$(grep -Ec ' SEED [78] OUTPUT_DIR runs/.* MODEL.VGG.ACT=relu6 SOLVER.EPOCHS=3( |$)' calls)" = 8 ] ||
    complain 'results: not eight runs with their settings'
good '^\| sgd \| 50.0 ' data runs 8 MODEL.VGG.ACT=relu6 SOLVER.EPOCHS=3
[ "$(wc -l <calls)" = 8 ] || complain 'results: a finished run was repeated'
for settings in '' MODEL.VGG.ACT=relu6 'SOLVER.EPOCHS=3 MODEL.VGG.ACT=relu'; do
    read -ra words <<<"$settings"
    checks=$((checks + 1))
    "$results" data runs 7 "${words[@]}" >stdout 2>stderr
    [ $? = 2 ] && grep -q 'holds runs of other settings' stderr || complain "results $settings: not refused"
done
repopt=$program

echo "$checks checks, $failures failed"
[ "$failures" = 0 ]
