#!/usr/bin/env bash
# ONNX files of every kind of net: onnx.checker finds them good, and ONNX Runtime computes what our own
# programs compute. Usage: test_onnx_runtime.sh ONNX_CASES FOLDER
#
# ONNX Runtime is npm's onnxruntime-web, which is whole as it comes (onnxruntime-node may fetch parts of
# itself from elsewhere while it is installed), in the version of tests/onnx/package-lock.json. It is kept
# in FOLDER. Ends with 77 (skipped) where node, npm or python3-onnx are missing, or npm has no network.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cases=$1 folder=$2
for tool in node npm; do
    if ! command -v "$tool" >/dev/null; then
        echo "$tool is missing: skipped (scripts/setup --test installs it)"
        exit 77
    fi
done
if ! PATH=/usr/bin:/bin python3 -c 'import onnx' 2>/dev/null; then
    echo 'python3-onnx is missing: skipped (scripts/setup --test installs it)'
    exit 77
fi
mkdir -p "$folder"
if ! cmp -s "$here/onnx/package-lock.json" "$folder/installed.json"; then
    cp "$here/onnx/package.json" "$here/onnx/package-lock.json" "$here/onnx/.npmrc" "$folder"
    if ! npm ci --prefix "$folder" --silent; then
        echo 'npm cannot install ONNX Runtime: skipped'
        exit 77
    fi
    cp "$here/onnx/package-lock.json" "$folder/installed.json"
fi
cp "$here/onnx/check.mjs" "$folder"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$cases" "$work"
PATH=/usr/bin:/bin python3 - "$work" <<'PYTHON'
import glob, sys
import onnx


# What a net that is not decoded may be made of: ops that converters for small devices know.
plain = set("Add BatchNormalization Clip Conv Exp Flatten Gemm GlobalAveragePool Mul Relu Resize Sigmoid Slice".split())
int8 = plain | {"QuantizeLinear", "DequantizeLinear"}


def save_layers(net, path):
    """Each layer by itself: it takes whole numbers "<name>.given" in place of those made in front of it."""
    made = {node.output[0] for node in net.graph.node if node.op_type == "QuantizeLinear"}
    for node in net.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in made:
            node.input[0] += ".given"
    for name in sorted(made):
        for values, suffix in ((net.graph.output, ""), (net.graph.input, ".given")):
            values.append(onnx.helper.make_tensor_value_info(name + suffix, onnx.TensorProto.UINT8, None))
    onnx.save(net, path)


files = sorted(glob.glob(sys.argv[1] + "/*.onnx"))
assert len(files) > 15
for file in files:
    net = onnx.load(file)
    onnx.checker.check_model(net, full_check=True)
    texts = {pair.key: pair.value for pair in net.metadata_props}
    assert net.opset_import[0].version == 17 and net.ir_version == 8, file
    assert net.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch", file
    assert {"config", "mode", "class_names", "input", "input.mean", "input.std"} <= texts.keys(), texts.keys()
    used = {name for node in net.graph.node for name in node.input}
    assert all(weight.name in used for weight in net.graph.initializer), file
    ops = {node.op_type for node in net.graph.node}
    assert "NonMaxSuppression" in ops or ops <= (int8 if "int8" in texts else plain), (file, ops)
    if "int8" in texts:
        save_layers(net, file.replace(".onnx", ".layers.onnx"))
print(len(files), "files good for onnx.checker", onnx.__version__)
PYTHON
node "$folder/check.mjs" "$work"
