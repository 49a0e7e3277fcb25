#!/usr/bin/env bash
# `repopt check` from outside: rows pass, a broken shader fails and leaves a dispatch that fails again
# by itself, bad input gives one line and its exit code. Usage: test_check.sh PROGRAM SOURCE
#
# The Vulkan half runs on Mesa's software driver where it is installed, else it is left out.
set -uo pipefail

source=$2
source "$(dirname "$0")/cli_checks.sh"

# expect CODE PATTERN WORD...: that exit code, and the pattern in what is printed. A failure ends with
# one line that begins with "repopt: ".
expect() {
    local code=$1 pattern=$2 got
    shift 2
    checks=$((checks + 1))
    "$repopt" check "$@" >"$work/stdout" 2>"$work/stderr"
    got=$?
    if [ "$got" != "$code" ]; then
        complain "repopt check $*: exit code $got, wanted $code"
    elif ! grep -Eq -- "$pattern" "$work/stdout" "$work/stderr"; then
        complain "repopt check $*: no '$pattern' in what it says"
    elif [ "$code" != 0 ] && [ "$(grep -c '^repopt: ' "$work/stderr")" != 1 ]; then
        complain "repopt check $*: wanted one line of complaint"
    fi
}

# there FILE...
there() {
    local file
    for file in "$@"; do
        checks=$((checks + 1))
        [ -s "$file" ] || complain "$file is missing or empty"
    done
}

# holds FILE PATTERN
holds() {
    checks=$((checks + 1))
    grep -Eq -- "$2" "$1" || complain "$1: no '$2' in it"
}

# ---- usage -----------------------------------------------------------------------------------------
expect 0 'usage: repopt check' --help
expect 0 'conv2d_grad_w +10' --list
expect 2 'option "--nonsense"' --nonsense
expect 2 'op "conv3d"' --device cpu --op conv3d
expect 2 'case 99' --device cpu --op act --case 99
expect 2 'whole number' --case 0
expect 2 'no folder' --shader-dir nowhere
expect 2 '--replay' --replay x --op act
expect 4 'does not exist here' --device vulkan:77
VK_ICD_FILENAMES=/nonexistent VK_DRIVER_FILES=/nonexistent expect 4 'no Vulkan device here: install' --op act
[ ! -e check-failures ] || complain "a folder of failures without a failure"

# ---- a CPU -----------------------------------------------------------------------------------------
expect 0 'PASS, all [0-9]+ rows' --device cpu --json cpu.json --html cpu.html
there cpu.json cpu.html
holds cpu.json '"failed":[[:space:]]*0'
expect 0 'PASS, all 1 rows' --device cpu:float64 --op softmax_ce --case 3
expect 3 'no-such-folder' --device cpu --op act --case 1 --json no-such-folder/a.json

# ---- a folder that is no dispatch ------------------------------------------------------------------
expect 3 'kept/dispatch.json: cannot be opened' --replay kept
mkdir kept
: >kept/dispatch.json
expect 3 'kept/dispatch.json: 0 bytes' --replay kept
echo '{"format": "repopt-dispatch-1", "op": ' >kept/dispatch.json
expect 3 'no well-formed JSON' --replay kept
echo '[1, 2]' >kept/dispatch.json
expect 3 'no JSON object' --replay kept
echo '{"format": "another"}' >kept/dispatch.json
expect 3 '"format" is not' --replay kept
head='"format": "repopt-dispatch-1", "op": "act", "variant": "", "case": 1'
echo "{$head, \"bound\": 1, \"passes\": []}" >kept/dispatch.json
expect 3 '"passes" wants a list of 1 to 4' --replay kept
echo "{$head, \"bound\": 1, \"passes\": [{\"shader\": \"act\", \"spirv\": \"../act.spv\", \"groups\": [1, 1, 1]}]}" >kept/dispatch.json
expect 3 'pass 1: files lie in the folder itself' --replay kept
echo "{$head, \"bound\": 1, \"passes\": [{\"shader\": \"act\", \"spirv\": \"act.spv\", \"groups\": [1, 1, -1]}]}" >kept/dispatch.json
expect 3 'pass 1: .*whole number' --replay kept
printf '%s' "{$head, \"bound\": 1, \"passes\": [[[[" >kept/dispatch.json
expect 3 'no well-formed JSON' --replay kept

# ---- a software Vulkan driver ----------------------------------------------------------------------
icd=/usr/share/vulkan/icd.d/lvp_icd.$(uname -m).json
if [ -r "$icd" ] && VK_ICD_FILENAMES=$icd "$repopt" devices | grep -q '^vulkan:0'; then
    export VK_ICD_FILENAMES=$icd
    for op in act channel_sum softmax_ce sgd_step; do
        expect 0 'PASS, all [0-9]+ rows' --op $op
    done
    expect 0 'PASS' --op scale_grad_s --small
    expect 0 'PASS, all 2 rows' --op act --case 4 --json vulkan.json --html vulkan.html
    holds vulkan.json '"shaders":[[:space:]]*"act.f16"'
    holds vulkan.html 'llvmpipe'
    for op in conv2d conv2d_grad_x; do
        expect 0 'PASS' --op $op --case 4 --json winograd.json
        holds winograd.json "\"shaders\":[[:space:]]*\"$op.winograd \+ $op.winograd.2(.vector)? \+ $op.winograd.3\""
        holds winograd.json "\"$op.winograd.f16 \+ $op.winograd.2(.vector)? \+ $op.winograd.3.f16\""
        expect 0 'PASS' --op $op --case 3 --json direct.json
        checks=$((checks + 1))
        ! grep -q winograd direct.json || complain "$op 3 asks for the direct shader"
    done

    # A sign too many.
    cp -r "$source/shaders" shaders
    sed -i 's/act_t(act_of(/act_t(-act_of(/' shaders/act.comp
    if grep -q 'act_t(-act_of' shaders/act.comp && command -v glslc >"$work/stdout"; then
        expect 0 'PASS' --op add --case 3 --shader-dir shaders
        expect 5 'FAIL act 4 .*worst: output 0' --op act --case 4 --shader-dir shaders --out bad
        there bad/act-4/dispatch.json bad/act-4/act.spv bad/act-4/binding-0.bin bad/act-4/output-0.got.bin
        there bad/act-4/output-0.expected.f64.bin bad/act-4.f16/dispatch.json
        holds bad/act-4/dispatch.json '"fault":.*normalised squared error'
        expect 5 'FAIL act 4 .*worst: output 0' --replay bad/act-4
        expect 5 'FAIL act 4 .f16' --replay bad/act-4.f16 --json replay.json
        expect 4 'Vulkan device only' --replay bad/act-4 --device cpu

        # With the right shader's code in its place, the same dispatch passes.
        cp "$source/shaders/act.comp" shaders/act.comp
        glslc -O --target-env=vulkan1.1 -fshader-stage=compute -I shaders -I "$source/include" \
            shaders/act.comp -o bad/act-4/act.spv
        expect 0 'PASS' --replay bad/act-4
        cp -r bad/act-4 cut
        head -c 64 bad/act-4/act.spv >cut/act.spv
        expect 3 'act: (damaged SPIR-V|SPIR-V without)' --replay cut
        cp bad/act-4/act.spv cut/act.spv
        printf '\377\377\377\377' | dd of=cut/act.spv bs=1 seek=20 conv=notrunc status=none
        expect 3 'act: damaged SPIR-V at word 5' --replay cut
        head -c 62 bad/act-4/act.spv >cut/act.spv
        expect 3 'act.spv: 62 bytes are no SPIR-V' --replay cut
        cp bad/act-4/act.spv cut/act.spv
        head -c 40 bad/act-4/binding-0.bin >cut/binding-0.bin
        expect 3 'binding-0.bin: 40 bytes' --replay cut
        sed 's/"same_as"/"x"/; s/"count":[^,]*,/"count": 4e9,/' bad/act-4/dispatch.json >cut/dispatch.json
        expect 3 'binding 0: "count" wants' --replay cut

        sed -i '14s/^/float oops = ;\n/' shaders/act.comp
        expect 8 'shaders/act.comp:14: error: .*\(module act\)' --op act --shader-dir shaders
        cp "$source/shaders/act.comp" shaders/act.comp
        echo '#error an author says so' >>shaders/common/act.glsl
        expect 8 'shaders/common/act.glsl:[0-9]+: error: .*an author says so' --op act --shader-dir shaders
    fi
else
    echo "no software Vulkan driver here: the Vulkan half is left out"
fi

echo "$checks checks, $failures failures"
[ "$failures" = 0 ]
