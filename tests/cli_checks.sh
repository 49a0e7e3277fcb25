# cli_checks.sh - what the tests of the program share. Source it with the program as $1: it makes a
# folder to work in, goes there, and counts checks and failures.
repopt=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
checks=0 failures=0

complain() {
    failures=$((failures + 1))
    echo "FAIL: $1"
    sed 's/^/    /' "$work/stdout" "$work/stderr" | tail -n 12
}

# good PATTERN WORD...: succeeds, and standard output matches the pattern.
good() {
    local pattern=$1
    shift
    checks=$((checks + 1))
    if ! "$repopt" "$@" >"$work/stdout" 2>"$work/stderr"; then
        complain "repopt $*: exit code not 0"
    elif ! grep -Eq -- "$pattern" "$work/stdout"; then
        complain "repopt $*: no '$pattern' in its output"
    fi
}

# bad CODE PATTERN WORD...: that exit code; the complaint is the one line that begins with "repopt: ",
# it matches the pattern; nothing is left half written.
bad() {
    local code=$1 pattern=$2 got
    shift 2
    checks=$((checks + 1))
    "$repopt" "$@" >"$work/stdout" 2>"$work/stderr"
    got=$?
    if [ "$got" != "$code" ]; then
        complain "repopt $*: exit code $got, wanted $code"
    elif [ "$(grep -c '^repopt: ' "$work/stderr")" != 1 ]; then
        complain "repopt $*: wanted one line of complaint"
    elif ! grep -Eq -- "^repopt: .*($pattern)" "$work/stderr"; then
        complain "repopt $*: no '$pattern' in its complaint"
    elif [ "$(tail -n 1 "$work/stderr" | cut -c1-8)" != 'repopt: ' ]; then
        complain "repopt $*: something follows the complaint"
    fi
    no_partial_files "$*"
}

no_partial_files() {
    local left
    left=$(find "$work" -name '*.part' -o -name '*.tmp*' -o -name '*~')
    [ -z "$left" ] || complain "repopt $1: left behind $left"
}

# A folder that a refused run must not have begun to fill.
untouched() {
    checks=$((checks + 1))
    [ -z "$(find "$1" -type f 2>/dev/null)" ] || complain "$1: a refused run wrote $(find "$1" -type f)"
}

# same_tensors RUN RUN: both ended with the same bytes behind their files' headers.
same_tensors() {
    local run bytes
    checks=$((checks + 1))
    for run in "$@"; do
        bytes=$(od -An -t u8 -N 8 "$run/model_final.safetensors") || complain "$run: no checkpoint"
        tail -c +$((bytes + 9)) "$run/model_final.safetensors" | cksum >"$work/sum.${run##*/}"
    done
    cmp -s "$work/sum.${1##*/}" "$work/sum.${2##*/}" || complain "$1 and $2 end with different tensors"
}

# Takes lavapipe, Mesa's software driver, where no driver is chosen and that one is installed.
take_lavapipe() {
    local lavapipe=/usr/share/vulkan/icd.d/lvp_icd.x86_64.json
    unset VK_DRIVER_FILES # would win over the one that is set here
    if [ -z "${VK_ICD_FILENAMES:-}" ] && [ -e "$lavapipe" ]; then export VK_ICD_FILENAMES=$lavapipe; fi
    export XDG_CACHE_HOME=$work/cache
}

# A net and a data set so small that a run takes a moment.
small=(DATASETS.DRAWN_COUNT_TRAIN 64 DATASETS.DRAWN_COUNT_TEST 32 SOLVER.IMS_PER_BATCH 16
       TEST.IMS_PER_BATCH 16 MODEL.VGG.NUM_BLOCKS '(1,2,1,1)' MODEL.VGG.WIDTHS '(8,8,16,16)'
       SOLVER.MAX_ITER 4 SOLVER.WARMUP_ITERS 0 SOLVER.BASE_LR 0.05 INPUT.TO_BGR255 false
       INPUT.PIXEL_MEAN '(0.5,0.5,0.5)' INPUT.PIXEL_STD '(0.25,0.25,0.25)')
# The same for boxes and keypoints.
small_detector=(
    MODEL.BACKBONE.CONV_BODY RepOpt-FPN-YUMIN MODEL.KEYPOINT_ON true MODEL.FCOS.NUM_CLASSES 4
    MODEL.YUMIN.WIDTH_MUL 0.25 MODEL.YUMIN.FPN_CHANNELS 16 MODEL.FCOS.NORM_REG_TARGETS true
    INPUT.SIZE '(96,96)' INPUT.TO_BGR255 false INPUT.PIXEL_MEAN '(0.5,0.5,0.5)'
    INPUT.PIXEL_STD '(0.25,0.25,0.25)' DATASETS.DRAWN_COUNT_TRAIN 32 DATASETS.DRAWN_COUNT_TEST 8
    SOLVER.IMS_PER_BATCH 8 TEST.IMS_PER_BATCH 4 SOLVER.MAX_ITER 40 SOLVER.WARMUP_ITERS 0
    SOLVER.BASE_LR 0.02)
