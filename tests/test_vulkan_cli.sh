#!/usr/bin/env bash
# The program on a Vulkan device, from outside: choosing it, watching it, and what happens when it is
# not there, too small, broken or lost. Usage: test_vulkan_cli.sh PROGRAM
#
# Without VK_ICD_FILENAMES it takes lavapipe, Mesa's software driver, where that is installed. Ends
# with 77 (skipped) when there is no Vulkan device.
set -uo pipefail

source "$(dirname "$0")/cli_checks.sh"
take_lavapipe
if ! "$repopt" devices --json | grep -q '"vulkan:0"'; then
    echo 'no Vulkan device: skipped'
    exit 77
fi
train=(train --quiet --threads 2 "${small[@]}")
vulkan=("${train[@]}" --device vulkan:0)

# holds FILE PATTERN: a line of the file matches.
holds() {
    checks=$((checks + 1))
    grep -Eq -- "$2" "$1" || complain "$1: no '$2'"
}

# ---- the list, and the names of a device --------------------------------------------------------
good '^vulkan:0 +(discrete|integrated|virtual|software|other), ' devices
for line in 'driver +.*, Vulkan 1\.' 'uuid +[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' 'memory +[0-9.]+ GiB' \
    'arithmetic 16-bit storage (yes|no), matrix units (yes|no), ' \
    'limits +[0-9]+ invocations and [0-9]+ KiB shared per workgroup, [0-9]+ MiB per binding'; do
    good "^    $line" devices
done
good '^auto takes (cpu|vulkan):.*: ' devices
good '    limits +128 invocations and 16 KiB shared per workgroup, 128 MiB per binding' devices --vulkan-small
good '"uuid":' devices --json
uuid=$("$repopt" devices | sed -n 's/^ *uuid *//p' | head -n 1)
name=$("$repopt" devices | sed -n 's/^vulkan:0 *[a-z]*, \([A-Za-z]*\).*/\1/p')
for word in vulkan:0 "$uuid" "$name" "${name^^}"; do
    "$repopt" train "${small[@]}" SOLVER.MAX_ITER 1 --device "$word" OUTPUT_DIR "out/by-name" >stdout 2>stderr ||
        complain "train --device $word fails"
    holds stderr "^device vulkan:0: .*, driver .*, Vulkan 1\\..*; \"$word\" was asked for"
    rm -r out/by-name
done
bad 4 'vulkan:99.*choose one of auto, cpu, .*vulkan:0 \(' "${train[@]}" --device vulkan:99 OUTPUT_DIR out/refused
bad 4 'vulkan:99' test "${small[@]}" MODEL.WEIGHT none --device vulkan:99
bad 4 'vulkan:99' verify --device vulkan:99
bad 4 'vulkan:99' bench --workload optim-sgd --device vulkan:99
bad 4 'vulkan:99' quickstart --device vulkan:99 --out out/refused
holds stderr 'vulkan:0 \('
checks=$((checks + 1))
[ -n "$(find cache/repopt -name 'pipelines-*.bin')" ] || complain 'no pipeline cache in XDG_CACHE_HOME'
checks=$((checks + 1))
mkdir home
(unset XDG_CACHE_HOME; HOME=$work/home "$repopt" "${vulkan[@]}" SOLVER.MAX_ITER 1 OUTPUT_DIR out/home >stdout 2>stderr)
[ -n "$(find home/.cache/repopt -name 'pipelines-*.bin')" ] || complain 'no pipeline cache in HOME/.cache'
for file in cache/repopt/*; do printf 'nonsense' >"$file"; done

# ---- a run, its tests, and looks at it ----------------------------------------------------------
good 'normal: 4 iterations' "${vulkan[@]}" OUTPUT_DIR out/plain
good 'normal: 4 iterations' "${vulkan[@]}" OUTPUT_DIR out/again
same_tensors out/plain out/again
good '^conv2d_grad_w .*%' "${vulkan[@]}" --profile trace.json OUTPUT_DIR out/profiled
same_tensors out/plain out/profiled
holds trace.json '"process_name".*"name":"vulkan:0: '
holds trace.json '"name":"stage0.conv2d","cat":"conv2d".*"shader":"conv2d'
good 'normal: 4 iterations' train "${small[@]}" --device vulkan:0 --reference-steps 2 OUTPUT_DIR out/referred
same_tensors out/plain out/referred
checks=$((checks + 1))
[ "$(grep -c 'float64 reference .*relative difference [0-9.]*e-\(0[4-9]\|1\)' stderr)" = 2 ] ||
    complain 'reference: wanted two lines with a small difference'
good 'normal: 4 iterations' "${vulkan[@]}" --vulkan-small OUTPUT_DIR out/small
weight=out/plain/model_final.safetensors
good '"count": 32' test --json "${small[@]}" MODEL.WEIGHT "$weight" --device vulkan:0
top1=$(sed 's/.*"top1": \([0-9.]*\),.*/\1/' stdout)
good "\"top1\": $top1," test --json "${small[@]}" MODEL.WEIGHT "$weight" --device cpu
good '^0 +forward +conv2d +[0-9.]+ +0 +[0-9]+ .*[0-9]+x[0-9]+x[0-9]+ conv2d' \
    show --stage=program --device vulkan:0 "${small[@]}"
holds stdout '^[0-9]+ dispatches, [0-9]+ barriers \(bar\), [1-9][0-9]* submissions'
for part in optim-sgd conv-384x10; do
    good "\"name\":\"$part\",\"device\":\"vulkan:0\",\"threads\":null" \
        bench --workload "$part" --device vulkan:0 --steps 1 --warmup 0 --min-ms 0
    holds stdout "\"name\":\"$part\",\"device\":\"cpu:"
done
holds stdout '"device":"vulkan:0".*"peak_share":[0-9.]+.*"peak_gflop_s":[0-9.]+'

# ---- the same run on one device and then on the other -------------------------------------------
good 'normal: 4 iterations' "${vulkan[@]}" OUTPUT_DIR out/crossed
good 'normal: 8 iterations' "${train[@]}" --device cpu SOLVER.MAX_ITER 8 OUTPUT_DIR out/crossed
good 'normal: 12 iterations' "${vulkan[@]}" SOLVER.MAX_ITER 12 OUTPUT_DIR out/crossed
checks=$((checks + 1))
[ "$(grep -c '^[0-9]*,' out/crossed/metrics.csv)" = 12 ] || complain 'crossed: wanted 12 rows in metrics.csv'

# ---- no loader, no driver ------------------------------------------------------------------------
mkdir no-loader
: >no-loader/libvulkan.so.1
: >no-loader/libvulkan.so
libraries=$PWD/no-loader${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
LD_LIBRARY_PATH=$libraries good '^auto takes cpu:.*no loader' devices
LD_LIBRARY_PATH=$libraries bad 4 'vulkan:0.*no loader.*install libvulkan1' "${vulkan[@]}" OUTPUT_DIR out/refused
LD_LIBRARY_PATH=$libraries good 'normal: 4 iterations' "${train[@]}" OUTPUT_DIR out/no-loader
VK_ICD_FILENAMES=/nonexistent good '^auto takes cpu:.*no Vulkan GPU' devices
VK_ICD_FILENAMES=/nonexistent bad 4 'vulkan:0.*choose one of auto, cpu' "${vulkan[@]}" OUTPUT_DIR out/refused
VK_ICD_FILENAMES=/nonexistent good 'normal: 4 iterations' "${train[@]}" OUTPUT_DIR out/no-driver
untouched out/refused

# ---- too large, and a shader the driver refuses -------------------------------------------------
huge=(DATASETS.DRAWN_COUNT_TRAIN 40000 SOLVER.IMS_PER_BATCH 40000)
bad 7 'MiB.*smaller batch' "${vulkan[@]}" --vulkan-small "${huge[@]}" OUTPUT_DIR out/refused
REPOPT_FAULT=fail-shader:batchnorm bad 8 'cannot compile shader batchnorm .*--device cpu' \
    "${vulkan[@]}" OUTPUT_DIR out/refused
untouched out/refused

# ---- the device is lost --------------------------------------------------------------------------
long=(SOLVER.MAX_ITER 60 SOLVER.CHECKPOINT_PERIOD 2 SOLVER.EVAL_PERIOD 1000)
REPOPT_FAULT=lose-after:1 bad 6 'device lost.*--device cpu.*no checkpoint yet' \
    "${vulkan[@]}" "${long[@]}" OUTPUT_DIR out/early
checks=$((checks + 1))
[ -z "$(find out/early -name '*.safetensors' -o -name last_checkpoint)" ] || complain 'early: a checkpoint of nothing'
REPOPT_FAULT=lose-after:200 bad 6 'iteration [0-9]+ of 60: Vulkan device lost.*checkpoint out/lost/model_' \
    "${vulkan[@]}" "${long[@]}" OUTPUT_DIR out/lost
last=$(cat out/lost/last_checkpoint)
checks=$((checks + 1))
[ -e "$last" ] || complain "out/lost/last_checkpoint names $last, which is not there"
[ ! -e out/lost/model_final.safetensors ] || complain 'a lost device left a final model'
good 'normal: 60 iterations' "${vulkan[@]}" "${long[@]}" OUTPUT_DIR out/lost
good 'normal: 60 iterations' "${vulkan[@]}" "${long[@]}" OUTPUT_DIR out/unbroken
same_tensors out/lost out/unbroken
REPOPT_FAULT=lose-after:200 good 'normal: 60 iterations' \
    "${vulkan[@]}" "${long[@]}" --fallback cpu OUTPUT_DIR out/fallback
holds stderr '^warning: .*device lost.*going on on cpu'
checks=$((checks + 1))
[ "$(grep -c '^[0-9]*,' out/fallback/metrics.csv)" = 60 ] || complain 'fallback: wanted 60 rows in metrics.csv'

# ---- killed in the middle of a step --------------------------------------------------------------
"$repopt" "${vulkan[@]}" "${long[@]}" SOLVER.CHECKPOINT_PERIOD 1 OUTPUT_DIR out/killed >stdout 2>stderr &
child=$!
for _ in {1..600}; do
    [ -e out/killed/model_0000003.safetensors ] && break
    sleep 0.05
done
kill -9 "$child" 2>/dev/null
wait "$child" 2>/dev/null
checks=$((checks + 1))
[ ! -e out/killed/model_final.safetensors ] || complain 'killed: the run had ended before'
good 'normal: 60 iterations' "${vulkan[@]}" "${long[@]}" SOLVER.CHECKPOINT_PERIOD 1 OUTPUT_DIR out/killed
same_tensors out/killed out/unbroken

echo "$checks checks, $failures failed"
[ "$failures" = 0 ]
