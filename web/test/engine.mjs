// engine.mjs - what the engine's tests share: the built modules, small tasks, reading checkpoints.
import {existsSync} from 'node:fs';
import {resolve} from 'node:path';
import {fileURLToPath, pathToFileURL} from 'node:url';
import {Engine} from '../src/engine.js';

// Debian 12's node 18 has no import.meta.dirname.
const here = fileURLToPath(new URL('.', import.meta.url));

const build = resolve(process.env.REPOPT_WEB ?? resolve(here, '../../build/web'));

/** The engine as it was built; fails where it was not. */
export function loadEngine(variant = 'simd', threads = 1) {
    const file = resolve(build, `repopt-${variant}.wasm`);
    if (!existsSync(file)) {
        throw new Error(`${file} is missing; run cmake --preset web && `
            + 'cmake --build --preset web');
    }
    return Engine.load({variant, threads, base: `${pathToFileURL(build)}/`});
}

/** KEY VALUE pairs of a search on drawn pictures, with others in place of some. */
export function drawnPairs(others = {}) {
    return Object.entries({
        'TRAINING_MODE': 'hyper_search', 'DATASETS.NAME': 'drawn',
        'DATASETS.DRAWN_COUNT_TRAIN': 400, 'DATASETS.DRAWN_COUNT_TEST': 50,
        'MODEL.VGG.PRESET': 'tiny', 'SOLVER.MAX_ITER': 20, 'SOLVER.BASE_LR': 0.05,
        'SOLVER.IMS_PER_BATCH': 32, 'INPUT.TO_BGR255': 'False', 'INPUT.PIXEL_MEAN': '(0.5,)',
        'INPUT.PIXEL_STD': '(0.25,)', ...others,
    });
}

/** An IDX file of bytes. */
export function idxFile(dims, bytes) {
    const file = new Uint8Array(4 + 4 * dims.length + bytes.length);
    const view = new DataView(file.buffer);
    file.set([0, 0, 8, dims.length]);
    dims.forEach((dim, i) => view.setUint32(4 + 4 * i, dim));
    file.set(bytes, 4 + 4 * dims.length);
    return file;
}

/** Writes `count` pictures of 8 x 8 in two classes, dark and bright, as MNIST's files. */
export function writeDigits(engine, folder, count = 64) {
    for (const split of ['train', 't10k']) {
        const labels = Uint8Array.from({length: count}, (_, i) => i % 2);
        const pixels = Uint8Array.from({length: count * 64},
            (_, i) => labels[i >> 6] * 150 + (i * 37) % 100);
        engine.fileWrite(`${folder}/${split}-images-idx3-ubyte`, idxFile([count, 8, 8], pixels));
        engine.fileWrite(`${folder}/${split}-labels-idx1-ubyte`, idxFile([count], labels));
    }
}

/** Pairs of a very small net on them. */
export function digitPairs(folder, others = {}) {
    return drawnPairs({
        'DATASETS.NAME': 'idx', 'DATASETS.ROOT': folder, 'MODEL.VGG.PRESET': '',
        'MODEL.VGG.NUM_BLOCKS': '(1, 1, 0, 0)', 'MODEL.VGG.WIDTHS': '(8, 8, 8, 8)',
        'MODEL.VGG.STRIDES': '(1, 1, 2, 2, 2)', 'SOLVER.IMS_PER_BATCH': 8,
        'SOLVER.MAX_ITER': 3000, ...others,
    });
}

/** A safetensors file's tensors, name to bytes. */
export function tensorsOf(file) {
    const bytes = Buffer.from(file.buffer, file.byteOffset, file.length);
    const start = 8 + Number(bytes.readBigUInt64LE(0));
    const {__metadata__: metadata, ...entries} = JSON.parse(bytes.toString('utf8', 8, start));
    return {metadata, tensors: new Map(Object.entries(entries).map(([name, {data_offsets: at}]) => (
        [name, bytes.subarray(start + at[0], start + at[1])])))};
}
