#!/usr/bin/env bash
# Nets in whole numbers, through the program: a classifier with squeeze and excite, a detector with
# and without level norms, several nets side by side, and what is refused.
# Usage: test_quantize.sh PROGRAM
set -uo pipefail

source "$(dirname "$0")/cli_checks.sh"

# tested TEXT WORD...: `repopt test --int8` says so.
tested() {
    local wanted=$1
    shift
    checks=$((checks + 1))
    "$repopt" test --int8 --threads 2 "$@" >"$work/stdout" 2>"$work/stderr" || complain "test $*: exit code not 0"
    grep -Fq -- "$wanted" "$work/stdout" || complain "test $*: no '$wanted'"
}

# has PATTERN FILE
has() {
    checks=$((checks + 1))
    grep -Eq -- "$1" "$2" || complain "$2: no '$1'"
}

# ---- classifiers ----------------------------------------------------------------------------------
good '^usage: repopt quantize' quantize --help
net=("${small[@]}" MODEL.VGG.ACT relu6 MODEL.VGG.SE true SOLVER.MAX_ITER 30)
target=(TRAINING_MODE target SCALE search/model_final.safetensors)
good hyper_search train --quiet --threads 2 "${net[@]}" TRAINING_MODE hyper_search OUTPUT_DIR search
good target train --quiet --threads 2 "${net[@]}" "${target[@]}" OUTPUT_DIR repopt
good '^stage0.conv +8x3x3x3 ' quantize --weights repopt/model_final.safetensors --calibrate 20 --out one
has 'top-1 [0-9.]+ % in float32, [0-9.]+ % in int8 \([+-][0-9.]+\) over 32 pictures; .*percentile 99.99 over 20 pictures$' stdout
has '^stage1.0.post_se.down ' stdout
tested "$(sed -n 's/.*float32, \([0-9.]* %\) in int8.*/top-1 \1/p' stdout)" "${net[@]}" "${target[@]}" \
    MODEL.WEIGHT one/model_int8.safetensors
good '^stage0.conv.weight +I8 +8x3x3x3$' inspect one/model_int8.safetensors
good '^stage0.conv.bias +I32 +8$' inspect one/model_int8.safetensors
good '^stage0.conv.input_zero_point +U8' inspect one/model_int8.safetensors
good '"int8.calibration":"percentile".*"int8.pictures":"20"' inspect --json one/model_int8.safetensors
# For other programs, and the same net in one step.
good 'QuantizeLinear [0-9]+ DequantizeLinear [0-9]+ ' inspect one/model_int8.onnx
good '^  stage0.conv.weight +I8 +\[8, 3, 3, 3\]$' inspect one/model_int8.onnx
good '"int8.calibration":"percentile"' inspect --json one/model_int8.onnx
good 'percentile 99.99 over 20' quantize --device cpu --weights repopt/model_final.safetensors --calibrate 20 --out cpu
good '^largest difference by the fold' export --weights repopt/model_final.safetensors --int8 --calibrate 20 step.safetensors
good 'pictures of 32 x 32' export --weights repopt/model_final.safetensors --int8 step.onnx
good '^  stage0.conv.bias +I32 +\[8\]$' inspect step.onnx
good '"int8.pictures":"64"' inspect --json step.onnx
good '^for ONNX Runtime on x86 processors without VNNI: repopt export --uint8-weights$' export --weights one/model_int8.safetensors again.onnx
good '^  stage0.conv.weight.zero_point +I8' inspect again.onnx
good 'pictures of 32 x 32' export --weights one/model_int8.safetensors --uint8-weights --pixels unsigned.onnx
good '^  stage0.conv.weight +U8 +\[8, 3, 3, 3\]$' inspect unsigned.onnx
good 'pictures of 32 x 32' export --weights one/model_int8.safetensors --int8 again.onnx
# Side by side.
good '^two/report.html$' quantize --weights repopt/model_final.safetensors --weights search/model_final.safetensors \
    --method kl --calibrate 16 --out two
has '<span class="key k2"></span>net 2: search/model_final.safetensors</th><td>top-1' two/report.html
has '<th scope="col"><span class="key k2"></span>net 2, outputs</th></tr>' two/report.html
has 'aria-label="net 2, weights of stage2.0.conv' two/report.html
has '<figcaption>net 2: input, scale' two/report.html
has 'input of stage2.0.conv' two/report.html
for file in model_int8.safetensors model_int8.onnx model_int8_2.safetensors model_int8_2.onnx; do
    checks=$((checks + 1))
    [ -s two/$file ] || complain "two: $file is missing"
done
has 'without VNNI: repopt export --uint8-weights$' stdout
good 'kl over 16 pictures' quantize --weights repopt/model_final.safetensors --method kl --calibrate 16
good 'percentile 99.999999 over 4 ' quantize --weights repopt/model_final.safetensors --percentile 99.999999 --calibrate 4
# A folded file gives the same net.
good 'folded.safetensors' export --weights repopt/model_final.safetensors --fold folded.safetensors
good 'report.html' quantize --weights folded.safetensors --calibrate 20 --out again
tensors_of() {
    local bytes
    bytes=$(od -An -t u8 -N 8 "$1")
    tail -c +$((bytes + 9)) "$1" | cksum
}
checks=$((checks + 2))
[ "$(tensors_of one/model_int8.safetensors)" = "$(tensors_of again/model_int8.safetensors)" ] ||
    complain 'folded: another int8 net'
[ "$(tensors_of cpu/model_int8.safetensors)" = "$(tensors_of step.safetensors)" ] || complain 'export: another int8 net'

# ---- detectors ------------------------------------------------------------------------------------
for norm in per_level shared; do
    net=("${small_detector[@]}" MODEL.FCOS.HEAD_BN "$norm")
    good normal train --quiet --threads 2 "${net[@]}" OUTPUT_DIR "$norm"
    good '^head' quantize --weights "$norm/model_final.safetensors" --calibrate 8 --out "$norm/int8"
    has 'AP [0-9.]+ % in float32, [0-9.]+ % in int8' stdout
    tested 'AP' "${net[@]}" MODEL.WEIGHT "$norm/int8/model_int8.safetensors"
done
good 'pictures of 96 x 96' export --weights shared/model_final.safetensors --int8 --calibrate 8 --decode decoded.onnx
good '^  boxes +F32 ' inspect decoded.onnx
good 'pics' synth --out pics --count 1 --size 96
good '"label"' predict --min-score 0 --weights shared/int8/model_int8.safetensors pics/test

# Nets of other layers side by side: each has its rows, numbers and colour.
good 'model_int8_4.safetensors|mixed/report.html' quantize --calibrate 8 --weights repopt/model_final.safetensors \
    --weights shared/model_final.safetensors --weights repopt/model_final.safetensors \
    --weights folded.safetensors --out mixed
has '<tr><th scope="row">stage0.conv</th><td>[^<]+</td><td class="soft">-</td>' mixed/report.html
has '<tr><th scope="row">head.cls.0.conv1.conv</th><td class="soft">-</td><td>' mixed/report.html
has '<path class="a4" ' mixed/report.html
checks=$((checks + 1))
[ "$(grep -c '<tr><th scope="row">stage1.0.conv</th>' mixed/report.html)" = 1 ] || complain 'report: a layer twice'

# ---- what is refused ------------------------------------------------------------------------------
mkdir empty
w=repopt/model_final.safetensors
bad 2 'no weights given' quantize --out empty
bad 2 'calibrate' quantize --weights "$w" --calibrate 0 --out empty
bad 2 'the training split has 64' quantize --weights "$w" --calibrate 65 --out empty
bad 2 'there is no "entropy"' quantize --weights "$w" --method entropy --calibrate 8 --out empty
for percentile in 20 50 100.5 nan; do
    bad 2 "--percentile: \"$percentile\" is not a number above 50 and up to 100" quantize --weights "$w" \
        --percentile $percentile --calibrate 8 --out empty
done
bad 2 '--percentile is for --method percentile, not kl' quantize --weights "$w" --percentile 60 --method kl --out empty
bad 2 'no weights given' quantize --weights "$w" --weights '' --out empty
bad 2 'MODEL.WEIGHT: empty' quantize --weights "$w" --out empty MODEL.WEIGHT=
bad 2 '"--metod" is not understood' quantize --weights "$w" --metod kl --out empty
bad 3 'absent.safetensors' quantize --weights absent.safetensors --out empty
bad 3 'cifar10|absent' quantize --weights "$w" --calibrate 8 --out empty DATASETS.NAME=cifar10 DATASETS.ROOT=absent
bad 3 'of another model' quantize --weights "$w" --calibrate 8 --out empty MODEL.VGG.WIDTHS='(8,8,16,24)'
bad 3 'is an int8 net already' quantize --weights one/model_int8.safetensors --calibrate 8 --out empty
# Nothing is begun when a net behind the first is bad, nor is --out made.
several=(quantize --calibrate 8 --weights "$w" --weights)
bad 3 'absent.safetensors' "${several[@]}" absent.safetensors --out fresh
bad 3 'is an int8 net already' "${several[@]}" one/model_int8.safetensors --out fresh
bad 2 'NO_SUCH.KEY' "${several[@]}" search/model_final.safetensors --out fresh NO_SUCH.KEY=1
bad 3 'of another model' "${several[@]}" search/model_final.safetensors --out fresh MODEL.VGG.WIDTHS='(8,8,16,24)'
bad 2 'the training split has 64' quantize --weights "$w" --calibrate 65 --out fresh/deep
checks=$((checks + 1))
[ ! -e fresh ] || complain 'quantize: a refused run made its folder'
bad 3 'absent.safetensors' test --out fresh "${net[@]}" MODEL.WEIGHT absent.safetensors
checks=$((checks + 1))
[ ! -e fresh ] || complain 'test: a refused run made its folder'
# What fails later says which files are there.
bad 3 'of another model' "${several[@]}" per_level/model_final.safetensors --out later MODEL.YUMIN.FPN_CHANNELS=24
has '^written before the failure: later/model_int8.safetensors, later/model_int8.onnx$' stderr
# No net is written over the weights of another, by whatever name.
for file in model_int8.safetensors model_int8.onnx model_int8_2.safetensors report.html; do
    mkdir over
    cp "$w" over/$file
    ln -s over/$file link.safetensors
    for weights in over/$file link.safetensors; do
        bad 2 "over/$file would be written over the weights $weights" "${several[@]}" $weights --out over
    done
    checks=$((checks + 1))
    cmp -s "$w" over/$file && [ "$(ls over)" = $file ] || complain "quantize: something was written to over"
    rm -r over link.safetensors
done
# A folder where a file is to be, and a file where the folder is to be.
mkdir -p blocked/model_int8_2.onnx
bad 3 'blocked/model_int8_2.onnx: is a folder' "${several[@]}" search/model_final.safetensors --out blocked
untouched blocked
echo words >file
for folder in file file/deep; do
    bad 3 "--out: $folder.*(is a file, wanted a folder|Not a directory)" quantize --weights "$w" --calibrate 8 --out $folder
    checks=$((checks + 1))
    [ ! -s stdout ] || complain "quantize --out $folder: told only after the work"
done
bad 3 '--out: file is a file, wanted a folder' test --out file "${net[@]}" MODEL.WEIGHT shared/model_final.safetensors
bad 3 '--out: file is a file, wanted a folder' predict --weights shared/model_final.safetensors --out file pics/test
bad 3 'blocked: is a folder where a file' predict --weights shared/model_final.safetensors --json blocked pics/test
mkdir blocked/net.onnx
bad 3 'net.onnx: is a folder where a file' export --weights "$w" blocked/net.onnx
bad 3 'is an int8 net already' export --weights one/model_int8.safetensors --fold empty/x.pth
bad 3 'is an int8 net already' export --weights one/model_int8.safetensors --int8 empty/x.safetensors
bad 2 'int8 nets are written as .onnx or .safetensors' export --weights "$w" --int8 empty/x.pth
bad 2 'the training split has 64' export --weights "$w" --int8 --calibrate 65 empty/x.onnx
bad 2 'calibrate is for --int8' export --weights "$w" --fold --calibrate 5 empty/x.onnx
bad 2 'as uint8' export --weights "$w" --int8 --uint8-weights empty/x.safetensors
bad 2 'a net in float32' export --weights "$w" --uint8-weights empty/x.onnx
bad 3 'net in float32; make its int8 net by repopt quantize' test --int8 "${small[@]}" MODEL.WEIGHT "$w"
bad 3 'is folded and has no BN to train with' train --quiet "${small[@]}" MODEL.WEIGHT one/model_int8.safetensors OUTPUT_DIR empty
untouched empty

echo "$checks checks, $failures failed"
[ "$failures" = 0 ]
