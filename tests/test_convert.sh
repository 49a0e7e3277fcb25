#!/usr/bin/env bash
# Files of tensors through the program: inspect, convert there and back, scales and weights of a .pth
# file. $1 is the program; the files are those of tests/data.
data=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/data
. "$(dirname "${BASH_SOURCE[0]}")/cli_checks.sh"
torch=$data/torch

# ---- inspect ------------------------------------------------------------------------------------
good '^usage: repopt inspect' inspect --help
good 'torch/checkpoint.pth: PyTorch zip, 32 tensors' inspect "$torch/checkpoint.pth"
good '^stem.conv.weight +F32 +2x3x3x3$' inspect "$torch/checkpoint.pth"
good '^  \(net\) +13 tensors, state_dict; "module." taken' inspect "$torch/checkpoint.pth"
good '^  ema\. +13 tensors, state_dict$' inspect "$torch/checkpoint.pth"
good '^optimizer.state.1.momentum_buffer +F32' inspect "$torch/checkpoint.pth"
good '^iteration +12$' inspect "$torch/checkpoint.pth"
good '^complex +a tensor of type ComplexFloatStorage, which is not read$' inspect "$torch/checkpoint.pth"
good '^  \(net\) +13 tensors, whole model nets.Net$' inspect "$torch/whole_model.pth"
good '^stem.scratch +a buffer that the model does not save$' inspect "$torch/whole_model.pth"
good 'PyTorch stream' inspect "$torch/parallel_legacy.pth"
good '^double +F64 +1$' inspect "$data/reference.safetensors"
good 'by another writer' inspect "$torch/sd_zip.pth" "$data/reference.safetensors"
good '"metadata":\{"iteration":"12"' inspect --json "$torch/checkpoint.pth"
good '"name":"stem.conv.weight","dtype":"F32","shape":\[2,3,3,3\],"container":0' inspect --json "$torch/checkpoint.pth"
mkfifo pipe
cat "$torch/sd_zip.pth" >pipe &
good 'pipe: PyTorch zip' inspect pipe
bad 2 'no file given' inspect
bad 2 '"--jsn"' inspect --jsn "$torch/sd_zip.pth"
bad 3 'absent.pth' inspect absent.pth
for file in "$torch"/bad_*.pth; do
    bad 3 "${file##*/}: .*;" inspect "$file"
done

# ---- convert ------------------------------------------------------------------------------------
good '^usage: repopt convert' convert --help
"$repopt" train TRAINING_MODE hyper_search OUTPUT_DIR out/search "${small[@]}" >/dev/null 2>&1
search=out/search/model_final.safetensors
[ -s "$search" ] || complain 'no search to convert'
good '^all.pth: ' convert --all "$search" all.pth
good '^all.safetensors: ' convert --all all.pth all.safetensors
checks=$((checks + 1))
cmp -s "$search" all.safetensors || complain 'there and back gives other bytes'
good 'left out: optimizer.momentum., [0-9]+ tensors' convert "$search" net.pth
good '^net.safetensors: ' convert net.pth net.safetensors
good 'net.onnx' export --weights "$search" net.onnx
cat net.onnx >pipe &
good '^pipe: ONNX' inspect pipe
good '^  stage1.0.* F32  \[' inspect net.onnx
good '^  left out: complex, a tensor' convert "$torch/checkpoint.pth" from_checkpoint.safetensors
good '^  "module." was taken' convert "$torch/checkpoint.pth" from_checkpoint.pt
good '^gain +F32 +2$' inspect from_checkpoint.pt
good '^  left out: stem.scratch' convert "$torch/whole_model.pth" from_model.safetensors
good '^average.pth: 13 tensors' convert --take ema. "$torch/checkpoint.pth" average.pth
good '^stem.conv.weight ' inspect average.pth
good '^average.pth: 13 tensors' convert --take ema "$torch/checkpoint.pth" average.pth
good '^stem.conv.weight ' inspect average.pth
checks=$((checks + 1))
tensors() { tail -c +$(($(od -An -t u8 -N 8 "$1") + 9)) "$1" | cksum; }
[ "$(tensors from_checkpoint.safetensors)" = "$(tensors from_model.safetensors)" ] ||
    complain 'one net, pickled in two ways, gives different tensors'

cp "$torch/sd_zip.pth" own.pth
bad 2 'own.pth: is the file that is read' convert own.pth own.pth
ln -s own.pth link.pth
bad 2 'link.pth: is the file that is read' convert own.pth link.pth
checks=$((checks + 1))
cmp -s own.pth "$torch/sd_zip.pth" || complain 'a refused conversion changed its input'
bad 2 'out.onnx: ends neither in' convert own.pth out.onnx
bad 2 '1 files given, wanted two' convert own.pth
bad 2 'give one of them' convert --all --take ema. own.pth x.pth
# What stands in front of names goes with --take, a wrapper's "model." as well as a container.
good '^part.safetensors: 6 tensors' convert --take stem "$torch/whole_model.pth" part.safetensors
good 'left out: the net, [1-9]' convert --take stem. "$torch/whole_model.pth" part.safetensors
good '^conv.weight ' inspect part.safetensors
bad 3 'no tensors of "ste"' convert --take ste "$torch/whole_model.pth" x.pth
bad 3 'no tensors of "ema\."; give --take one of the prefixes that' convert --take ema. own.pth x.pth
bad 3 'absent.pth' convert absent.pth x.pth
bad 3 'bad_reduce_os_system_zip.pth: .*asks to call os.system' convert "$torch/bad_reduce_os_system_zip.pth" x.pth
bad 3 'no-folder/x.pth' convert own.pth no-folder/x.pth
checks=$((checks + 1))
[ ! -e x.pth ] || complain 'a refused conversion wrote something'

# ---- a .pth file in a safetensors file's place --------------------------------------------------
good '^stage2.1 +triple' scales net.pth
"$repopt" scales "$search" >from_safetensors.txt
"$repopt" scales net.pth >from_pth.txt
checks=$((checks + 1))
cmp -s from_safetensors.txt from_pth.txt || complain 'scales of one search differ by the file they are read from'
good 'top-1' test TRAINING_MODE hyper_search "${small[@]}" MODEL.WEIGHT net.pth
bad 3 'whole_model.pth: no scales in it' scales "$torch/whole_model.pth"
bad 3 'whole_model.pth: this model has no place' test "${small[@]}" MODEL.WEIGHT "$torch/whole_model.pth"
bad 3 'bad_trunc_zip_500.pth' train TRAINING_MODE target SCALE "$torch/bad_trunc_zip_500.pth" OUTPUT_DIR out/refused "${small[@]}"
untouched out/refused

# Published scales and a PyTorch that reads what we write, where they are.
if [ -n "${REPOPT_ORACLE_DIR:-}" ] && [ -e "$REPOPT_ORACLE_DIR/torch/RepOpt-VGG-B1-scales.pth" ]; then
    good '^stage3.15 +triple +512 ' scales "$REPOPT_ORACLE_DIR/torch/RepOpt-VGG-B1-scales.pth"
else
    echo 'no REPOPT_ORACLE_DIR with published scales: skipped'
fi
if PATH=/usr/bin:/bin python3 -c 'import torch' 2>/dev/null; then
    checks=$((checks + 1))
    PATH=/usr/bin:/bin python3 -c "import torch; torch.load('net.pth', weights_only=True)['stage0.conv.weight']" ||
        complain 'PyTorch does not read net.pth'
else
    echo 'python3 with torch is not installed: its own reading is not tested'
fi

echo "$checks checks, $failures failed"
[ "$failures" = 0 ]
