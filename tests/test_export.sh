#!/usr/bin/env bash
# Nets for use, through the program: a folded classifier of every mode and a folded detector answer
# as they did before, on the CPU and, where there is one, on a Vulkan device; and what is refused.
# Usage: test_export.sh PROGRAM
set -uo pipefail

source "$(dirname "$0")/cli_checks.sh"
take_lavapipe
devices=(cpu)
if "$repopt" devices --json | grep -q '"vulkan:0"'; then
    devices+=(vulkan:0)
elif [ "${VK_ICD_FILENAMES:-none}" != none ]; then
    echo 'no Vulkan device: skipped' # the same on the CPU alone is another test
    exit 77
fi

# same_numbers WORD... -- FILE FILE: `repopt test` says the same of both files, to the last of the
# rounded digits: a value v to `rate` x (1 + v). On every device.
rate=1e-5
same_numbers() {
    local words=() device file
    while [ "$1" != -- ]; do words+=("$1") && shift; done
    shift
    for device in "${devices[@]}"; do
        checks=$((checks + 1))
        for file in "$1" "$2"; do
            "$repopt" test --json --device "$device" "${words[@]}" MODEL.WEIGHT "$file" >stdout 2>stderr ||
                complain "$file: not tested on $device"
            tr -s '{}[],":' '\n' <stdout >"$(basename "$file").numbers"
        done
        paste "$(basename "$1").numbers" "$(basename "$2").numbers" >stdout
        [ "$(wc -l <stdout)" -gt 8 ] || complain "$1: hardly any numbers on $device"
        awk -F '\t' -v rate=$rate '{ d = $1 - $2; if (d < 0) d = -d
                       if ($1 != $2 && !($1 + 0 == $1 && $2 + 0 == $2 && d <= rate * (1 + $1))) exit 1 }' stdout ||
            complain "$1 and $2 say other things on $device"
    done
}

# ---- classifiers ----------------------------------------------------------------------------------
good '^usage: repopt export' export --help
for mode in normal hyper_search csla repvgg_block qarepvgg_block; do
    net=("${small[@]}" TRAINING_MODE "$mode" SOLVER.MAX_ITER 30 SOLVER.BASE_LR 0.1)
    case $mode in
    hyper_search) net+=(MODEL.VGG.ACT relu6 MODEL.VGG.KERNEL_SIZE 5) ;;
    csla) net+=(MODEL.VGG.SE true) ;;
    esac
    good "$mode" train --quiet --threads 2 "${net[@]}" OUTPUT_DIR "$mode"
    good 'folded.safetensors: [0-9]+ tensors' export --weights "$mode/model_final.safetensors" --fold "$mode/folded.safetensors"
    good '^largest difference by the fold: [0-9.]+e-[01][0-9] of the largest value, at logits, over 8 pictures of the training split \(bound 1e-04\)$' \
        export --weights "$mode/model_final.safetensors" --fold "$mode/folded.pth"
    same_numbers "${net[@]}" -- "$mode/model_final.safetensors" "$mode/folded.safetensors"
    same_numbers "${net[@]}" -- "$mode/folded.safetensors" "$mode/folded.pth"
    good '^stage0.conv.bias +F32 +8$' inspect "$mode/folded.safetensors"
    if "$repopt" inspect "$mode/folded.safetensors" | grep -q 'running_mean'; then complain "$mode: a BN is left"; fi
done
good '"folded":"' inspect --json normal/folded.pth
good '"mode":"csla".*"class_names":"disc.*"config":".*MAX_ITER: 30' inspect --json csla/folded.safetensors
# Without a data set noise is as good.
good 'over 8 pictures of noise' export --weights normal/model_final.safetensors --fold noise.pth DATASETS.NAME=cifar10 DATASETS.ROOT=absent
good 'class_names  *disc' inspect noise.pth

# ---- detectors ------------------------------------------------------------------------------------
# A precision follows the order of the scores, and boxes stay or go by an IoU: of a net of 40 steps they
# lie so close that the last bit can exchange two neighbours or drop a box. 4e-4 of an AP and 799 boxes
# for 800 were seen on one instruction set. That the scores agree to 2e-6 is checked below.
rate=2e-3
for norm in per_level shared; do
    net=("${small_detector[@]}" MODEL.FCOS.HEAD_BN "$norm")
    good normal train --quiet --threads 2 "${net[@]}" OUTPUT_DIR "$norm"
    good 'of the largest value, at P[3-7]\.[a-z]+, over 8 pictures of the training split' \
        export --weights "$norm/model_final.safetensors" --fold "$norm/folded.safetensors"
    same_numbers "${net[@]}" -- "$norm/model_final.safetensors" "$norm/folded.safetensors"
done
good '^head.cls.0.conv1.conv.4.bias +F32 +16$' inspect per_level/folded.safetensors
good '^head.cls.0.conv1.conv.bias +F32 +16$' inspect shared/folded.safetensors
good 'test.json: 2 pictures' synth --out pics --count 2
for device in "${devices[@]}"; do
    for file in model_final folded; do
        good '"label"' predict --device "$device" --min-score 0 --weights "shared/$file.safetensors" pics
        grep -o '"score":[^,]*' stdout | head -c 100000 >"$file.scores"
    done
    checks=$((checks + 1))
    paste -d : model_final.scores folded.scores | awk -F : '{ d = $2 - $4; if (d < -2e-6 || d > 2e-6) exit 1 } END { if (NR < 10) exit 1 }' ||
        complain "predict: other scores from a folded net on $device"
done

# ---- ONNX -----------------------------------------------------------------------------------------
# What ONNX Runtime makes of such files is for test_onnx_runtime.sh.
good 'x.onnx: 32 tensors, pictures of 32 x 32 pixels$' export --weights normal/model_final.safetensors x.onnx
good '^  image +F32 +\[batch, 3, 32, 32\]$' inspect x.onnx
good '^  logits +F32 +\[batch, 10\]$' inspect x.onnx
good '^  stage0.bn.running_var +F32 +\[8\]$' inspect x.onnx
good '^input +RGB, \(pixel / 255 - input.mean\)' inspect x.onnx
good '"input.mean":"0.5,0.5,0.5","input.std":"0.25,0.25,0.25"' inspect --json x.onnx
if "$repopt" inspect x.onnx | grep -q '^folded'; then complain 'x.onnx says it is folded'; fi
good '^largest difference by the fold' export --weights normal/model_final.safetensors --fold y.onnx
good '^folded ' inspect y.onnx
good 'z.onnx: 14 tensors' export --weights normal/folded.safetensors --pixels z.onnx
good '^input +RGB pixels, 0 to 255$' inspect z.onnx
good '^  stage0.conv.bias +F32' inspect z.onnx
good 'pictures of 120 x 88 pixels' export --weights per_level/model_final.safetensors --fold --decode d.onnx \
    'INPUT.SIZE=(88,120)' TEST.DETECTIONS_PER_IMG=7
good '^  boxes +F32 +\[batch, 7, 4\]$' inspect d.onnx
good '^  keypoints +F32 +\[batch, 7, 5, 2\]$' inspect d.onnx
good 'NonMaxSuppression 1' inspect d.onnx
good '^categories +\[\{"id":1,"name":"arrow"' inspect d.onnx
good 'e.onnx: 81 tensors' export --weights shared/folded.safetensors e.onnx
good '^  P7.centerness +F32 +\[batch, 1, 1, 1\]$' inspect e.onnx

# ---- what is refused ------------------------------------------------------------------------------
mkdir empty
w=normal/model_final.safetensors
bad 2 'no weights given' export --fold empty/x.pth
bad 2 'no file to write' export --weights "$w" --fold
bad 2 'two files to write' export --weights "$w" --fold empty/a.pth empty/b.pth
bad 2 'give --fold' export --weights "$w" empty/x.safetensors
bad 2 '"--fld" is not understood' export --weights "$w" --fld empty/x.pth
bad 2 'x.bin: ends neither in .onnx' export --weights "$w" --fold empty/x.bin
bad 2 'holds the weights' export --weights "$w" --fold "$w"
bad 3 'absent.safetensors' export --weights absent.safetensors --fold empty/x.pth
bad 3 'absent/x.pth' export --weights "$w" --fold absent/x.pth
bad 2 "--decode: $w is a classifier's" export --weights "$w" --decode empty/x.onnx
bad 2 '--decode adds nodes' export --weights shared/folded.safetensors --decode empty/x.pth
bad 2 '--pixels adds nodes' export --weights "$w" --fold --pixels empty/x.safetensors
bad 3 'of another model' export --weights "$w" empty/x.onnx MODEL.VGG.WIDTHS='(8,8,16,24)'
bad 3 'of another model' export --weights csla/model_final.safetensors empty/x.onnx TRAINING_MODE=target
bad 2 'NUM_CLASSES: 3, but' export --weights shared/model_final.safetensors empty/x.onnx MODEL.FCOS.NUM_CLASSES=3
head -c 300 x.onnx >cut.onnx
bad 3 'cut.onnx: .*damaged' inspect cut.onnx
bad 3 'folded already' export --weights normal/folded.safetensors --fold empty/x.pth
bad 3 'of another model' export --weights "$w" --fold empty/x.pth MODEL.VGG.WIDTHS='(8,8,16,24)'
bad 3 'of another model' export --weights csla/model_final.safetensors --fold empty/x.pth TRAINING_MODE=normal
bad 3 'normal/folded.safetensors is folded and has no BN to train with' train --quiet "${small[@]}" \
    MODEL.WEIGHT normal/folded.safetensors OUTPUT_DIR empty
untouched empty

echo "$checks checks, $failures failed"
[ "$failures" = 0 ]
