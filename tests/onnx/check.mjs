// check.mjs - runs every <case>.onnx of a folder in ONNX Runtime and compares its answers with those
// in <case>.<batch>.safetensors: node check.mjs FOLDER
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
const whole = { values: 0, different: 0, most: 0 }; // of int8 nets

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

/**
 * An int8 net. Where layer follows layer, whole numbers are the same. Float values between layers (gates, means)
 * round otherwise there, and may end next to a half: of the first layer's input that differs, in order of work,
 * one in a thousand (or one) does, by a unit. What follows from it is not bounded but by the net's own outputs,
 * which may be off by 1 per cent.
 */
function compareWhole(got, wanted, isChain) {
    let earlier = 0; // different in front of this tensor
    for (const [name, { dims, data }] of Object.entries(wanted)) {
        const theirs = got[name];
        if (theirs.data.length !== data.length) return `${name}: ${theirs.dims}, wanted ${dims}`;
        const isWhole = name.endsWith(".uint8");
        if (isWhole !== (theirs.type === "uint8")) return `${name}: is ${theirs.type}`;
        let different = 0, most = 0;
        for (let i = 0; i < data.length; i++) {
            const off = Math.abs(theirs.data[i] - data[i]);
            if (!isWhole && !(off <= 0.01 * (1 + Math.abs(data[i])))) return `${name}[${i}]: got ${theirs.data[i]}, wanted ${data[i]}`;
            if (!isWhole || off === 0) continue;
            different++;
            most = Math.max(most, off);
        }
        if (!isWhole) continue;
        whole.values += data.length;
        whole.different += different;
        whole.most = Math.max(whole.most, most);
        const allowed = isChain ? 0 : Math.max(1, data.length / 1000);
        if (earlier === 0 && (different > allowed || most > 1)) return `${name}: ${different} of ${data.length} differ, by ${most} at most`;
        earlier += different;
    }
    return null;
}

function compare(got, wanted, isChain) {
    const names = Object.keys(wanted).sort().join();
    if (Object.keys(got).sort().join() !== names) return `outputs ${Object.keys(got)}, wanted ${names}`;
    if (wanted.scores) return compareDecoded(got, wanted);
    const isInt8 = Object.keys(wanted).some((name) => name.endsWith(".uint8"));
    if (!Object.values(wanted).some(isAlive)) return "the answers do not depend on the picture";
    if (isInt8) return compareWhole(got, wanted, isChain);
    return Object.keys(wanted).map((name) => comparePlain(name, got[name], wanted[name])).find(Boolean) ?? null;
}

/** The fault of one file with one batch, or null. */
async function check(session, path, isChain) {
    const tensors = readTensors(path);
    const image = new ort.Tensor("float32", tensors["in.image"].data, tensors["in.image"].dims);
    const wanted = {};
    for (const name of Object.keys(tensors)) {
        if (name.startsWith("out.")) wanted[name.slice(4)] = tensors[name];
    }
    try {
        return compare(await session.run({ image }), wanted, isChain);
    } catch (error) {
        return error.message;
    }
}

const folder = process.argv[2];
let failures = 0, checks = 0;
for (const file of readdirSync(folder).filter((name) => name.endsWith(".onnx")).sort()) {
    const session = await ort.InferenceSession.create(new Uint8Array(readFileSync(join(folder, file))));
    for (const batch of [1, 3]) {
        const fault = await check(session, join(folder, file.replace(/onnx$/, `${batch}.safetensors`)), file === "int8_relu.onnx");
        checks++;
        if (fault === null) continue;
        failures++;
        console.log(`FAIL: ${file}, batch ${batch}: ${fault}`);
    }
    await session.release();
}
console.log(`${checks} comparisons with ONNX Runtime ${ort.env.versions.web}, ${failures} failed, largest difference ` +
    `${worst.toPrecision(2)} of 1 + |value|; ${whole.different} of ${whole.values} whole numbers of int8 nets differ, ` +
    `by ${whole.most} at most`);
if (failures > 0 || checks === 0) process.exit(1);
