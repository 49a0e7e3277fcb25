// check.mjs - runs every <case>.onnx of a folder in ONNX Runtime and compares its answers with those
// in <case>.<batch>.safetensors: node check.mjs FOLDER. Of <case>.layers.onnx every layer takes the whole
// numbers of the same file.
//
// A value may be off by 1e-4 of itself and 1e-4 more. Of decoded outputs detections are compared: each
// of ours has one of theirs of the same class, and the other way round; equal scores may change places.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import * as ort from "onnxruntime-web";

const tolerance = 1e-4;
ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";

/** The tensors of a safetensors file by name: {dims, data}. */
function readTensors(path) {
    const bytes = readFileSync(path);
    const length = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString("utf8", 8, 8 + length));
    const tensors = {};
    for (const [name, { dtype, shape, data_offsets: [begin, end] }] of Object.entries(header)) {
        if (name === "__metadata__") continue;
        if (dtype !== "F32") throw new Error(`${path}: ${name} is ${dtype}`);
        const copy = Uint8Array.from(bytes.subarray(8 + length + begin, 8 + length + end));
        tensors[name] = { dims: shape, data: new Float32Array(copy.buffer) };
    }
    return tensors;
}

const distance = (a, b) => Math.abs(a - b) / (1 + Math.abs(b));
const isNear = (a, b) => distance(a, b) <= tolerance;
let worst = 0; // of plain outputs
let worstNet = 0; // of int8 nets: beside what int8 costs
const whole = { values: 0, different: 0, most: 0 }; // of int8 layers

/** Whether the answers to the first two pictures of a batch differ by more than is forgiven. */
function isAlive({ dims, data }) {
    const size = data.length / dims[0];
    return dims[0] < 2 || data.subarray(0, size).some((value, i) => Math.abs(value - data[size + i]) > 100 * tolerance);
}

/** A complaint about two arrays, or null. */
function comparePlain(name, got, wanted) {
    if (got.dims.join() !== wanted.dims.join()) return `${name}: ${got.dims}, wanted ${wanted.dims}`;
    for (let i = 0; i < wanted.data.length; i++) {
        worst = Math.max(worst, distance(got.data[i], wanted.data[i]));
        if (!isNear(got.data[i], wanted.data[i])) {
            return `${name}[${i}]: got ${got.data[i]}, wanted ${wanted.data[i]}`;
        }
    }
    return null;
}

/** Detections of picture n, as rows of numbers: class, score, box, keypoints. */
function detectionsOf(outputs, n) {
    const most = outputs.scores.dims[1];
    const list = [];
    for (let i = n * most; i < (n + 1) * most; i++) {
        if (outputs.scores.data[i] === 0) break;
        const row = [Number(outputs.classes.data[i]), outputs.scores.data[i], ...outputs.boxes.data.slice(4 * i, 4 * i + 4)];
        if (outputs.keypoints) {
            const width = outputs.keypoints.data.length / outputs.scores.data.length;
            row.push(...outputs.keypoints.data.slice(width * i, width * (i + 1)));
        }
        list.push(row);
    }
    return list;
}

const isSame = (a, b) => a[0] === b[0] && a.every((value, i) => isNear(value, b[i]));

function compareDecoded(got, wanted) {
    for (const name of Object.keys(wanted)) {
        if (got[name].dims.join() !== wanted[name].dims.join()) {
            return `${name}: ${got[name].dims}, wanted ${wanted[name].dims}`;
        }
    }
    for (let n = 0; n < wanted.scores.dims[0]; n++) {
        const ours = detectionsOf(wanted, n), theirs = detectionsOf(got, n);
        const lost = ours.find((a) => !theirs.some((b) => isSame(b, a)));
        const new_ = theirs.find((b) => !ours.some((a) => isSame(b, a)));
        if (lost) return `picture ${n}: not found: ${lost}`;
        if (new_) return `picture ${n}: found besides: ${new_}`;
        if (ours.length !== theirs.length) return `picture ${n}: ${theirs.length} found, wanted ${ours.length}`;
        for (let i = 1; i < theirs.length; i++) {
            if (theirs[i][1] > theirs[i - 1][1]) return `picture ${n}: score ${i} is out of order`;
        }
    }
    return null;
}

/** The overlap of two detections' boxes over what both cover; sides count as in the decoder, one more. */
function overlap([, , ...a], [, , ...b]) {
    const side = (low, high) => Math.max(0, high - low + 1);
    const area = ([x1, y1, x2, y2]) => side(x1, x2) * side(y1, y2);
    const both = area([Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])]);
    return both / (area(a) + area(b) - both);
}

/**
 * Decoded outputs of a whole int8 net, where a unit may differ here and there: shapes are ours, all is finite, and of
 * either side's detections nine in ten have one of the other's of the same class whose box covers 0.7 of both. A unit
 * moves a box by parts of a pixel; a cell is 8 pixels and more, and boxes are a few cells. The tenth is for those that
 * change places at the edge: the last of the list, and what an equally good neighbour suppresses.
 */
function compareMost(got, wanted) {
    for (const [name, { dims }] of Object.entries(wanted)) {
        if (got[name].dims.join() !== dims.join()) return `${name}: ${got[name].dims}, wanted ${dims}`;
        if (!Array.from(got[name].data, Number).every(Number.isFinite)) return `${name}: not all of it is finite`;
    }
    for (let n = 0; n < wanted.scores.dims[0]; n++) {
        const ours = detectionsOf(wanted, n), theirs = detectionsOf(got, n);
        const isOne = (a, b) => a[0] === b[0] && overlap(a, b) >= 0.7;
        const found = ours.filter((a) => theirs.some((b) => isOne(a, b))).length;
        const same = theirs.filter((b) => ours.some((a) => isOne(a, b))).length;
        if (ours.length === 0 || found < 0.9 * ours.length || same < 0.9 * theirs.length) {
            return `picture ${n}: ${found} of our ${ours.length} detections are found, ${same} of the ${theirs.length} there are ours`;
        }
    }
    return null;
}

/**
 * Layers that took our whole numbers, each by itself: what they make of them goes to the next layer's whole numbers
 * exactly; where float values lie between (sums, gates, means), these round otherwise there and may end on the other
 * side of a half: one in a thousand (or one) by a unit. Float outputs are as near as any.
 */
function compareLayers(got, wanted, isChain) {
    for (const [name, { data }] of Object.entries(wanted)) {
        if (!name.endsWith(".uint8")) continue;
        const theirs = got[name];
        if (theirs.type !== "uint8" || theirs.data.length !== data.length) return `${name}: ${theirs.type} ${theirs.dims}`;
        const off = data.map((value, i) => Math.abs(value - theirs.data[i])).filter((difference) => difference > 0);
        const most = off.reduce((a, b) => Math.max(a, b), 0);
        whole.values += data.length;
        whole.different += off.length;
        whole.most = Math.max(whole.most, most);
        if (off.length > (isChain ? 0 : Math.max(1, data.length / 1000)) || most > 1) {
            return `${name}: ${off.length} of ${data.length} whole numbers differ, by ${most} at most`;
        }
    }
    return compareOutputs(got, outputsOf(wanted));
}

/**
 * The whole net: a unit that differs is felt by every layer behind it. Such differences stay below what int8 itself
 * costs: squared, of the squared outputs, the mean over their kinds, as `repopt quantize` measured it.
 */
function compareNet(got, wanted, error) {
    const kinds = {}; // "classes" of all levels: the sums of squares
    for (const [name, { data }] of Object.entries(wanted)) {
        const kind = kinds[name.replace(/^P\d\./, "")] ??= { off: 0, all: 0 };
        data.forEach((value, i) => {
            kind.off += (value - got[name].data[i]) ** 2;
            kind.all += value ** 2;
        });
    }
    const parts = Object.values(kinds).map(({ off, all }) => off / all);
    const mean = parts.reduce((a, b) => a + b, 0) / parts.length;
    worstNet = Math.max(worstNet, mean / error);
    return mean <= error ? null : `outputs differ by ${mean}, and int8 itself costs ${error}`;
}

const outputsOf = (wanted) => Object.fromEntries(Object.entries(wanted).filter(([name]) => !name.endsWith(".uint8")));

function compareOutputs(got, wanted) {
    if (wanted.scores) return compareDecoded(got, wanted);
    return Object.keys(wanted).map((name) => comparePlain(name, got[name], wanted[name])).find(Boolean) ?? null;
}

/** `error`: of an int8 net; `isLayers`: of its file that takes every layer's input; `isChain`: of a net without float parts. */
function compare(got, wanted, { error, isLayers, isChain }) {
    const outputs = outputsOf(wanted);
    const names = Object.keys(isLayers ? wanted : outputs).sort().join();
    if (Object.keys(got).sort().join() !== names) return `outputs ${Object.keys(got)}, wanted ${names}`;
    if (isLayers) return compareLayers(got, wanted, isChain);
    if (!outputs.scores && !Object.values(outputs).some(isAlive)) return "the answers do not depend on the picture";
    if (error === undefined || isChain) return compareOutputs(got, outputs);
    return outputs.scores ? compareMost(got, outputs) : compareNet(got, outputs, error);
}

/** The fault of one file with one batch, or null. */
async function check(session, path, kind) {
    const tensors = readTensors(path);
    const image = new ort.Tensor("float32", tensors["in.image"].data, tensors["in.image"].dims);
    const wanted = {}, given = { image };
    for (const [name, tensor] of Object.entries(tensors)) {
        if (!name.startsWith("out.")) continue;
        wanted[name.slice(4)] = tensor;
        if (kind.isLayers && name.endsWith(".uint8")) {
            given[`${name.slice(4)}.given`] = new ort.Tensor("uint8", Uint8Array.from(tensor.data), tensor.dims);
        }
    }
    try {
        return compare(await session.run(given), wanted, { ...kind, error: tensors.error?.data[0] });
    } catch (error) {
        return error.message;
    }
}

const folder = process.argv[2];
let failures = 0, checks = 0;
for (const file of readdirSync(folder).filter((name) => name.endsWith(".onnx")).sort()) {
    const session = await ort.InferenceSession.create(new Uint8Array(readFileSync(join(folder, file))));
    for (const batch of [1, 3]) {
        const kind = { isLayers: file.endsWith(".layers.onnx"), isChain: /^int8_(relu|unsigned)\./.test(file) };
        const fault = await check(session, join(folder, file.replace(/(\.layers)?\.onnx$/, `.${batch}.safetensors`)), kind);
        checks++;
        if (fault === null) continue;
        failures++;
        console.log(`FAIL: ${file}, batch ${batch}: ${fault}`);
    }
    await session.release();
}
console.log(`${checks} comparisons with ONNX Runtime ${ort.env.versions.web}, ${failures} failed, largest difference ` +
    `${worst.toPrecision(2)} of 1 + |value|; of int8 layers ${whole.different} of ${whole.values} whole numbers differ, by ` +
    `${whole.most} at most, and of int8 nets the outputs, by ${worstNet.toPrecision(2)} of what int8 costs at most`);
if (failures > 0 || checks === 0) process.exit(1);
