// engine.js - the library in WebAssembly as a class: loads the module, carries values in and out.
//
// Runs in a worker and in node alike; every method but load is synchronous. Typed arrays that come
// back are copies of the caller's own. Kernels are stored c_out, kh, kw, c_in, images h, w, c.
import {Heap} from './heap.js';

/** A failure with the library's sentence; `code` is its status, 'ERR_MEMORY', or 'gone'. */
export class EngineError extends Error {
    constructor(message, code) {
        super(message);
        this.name = 'EngineError';
        this.code = code;
    }
}

// A module of one function that returns a vector: valid where SIMD128 is known.
const SIMD_PROBE = new Uint8Array([
    0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253,
    15, 253, 98, 11,
]);
const MOST_THREADS = 4;

/** The best module that this place can run: 'threads', 'simd' or 'scalar'. */
export function chooseVariant() {
    if (!WebAssembly.validate(SIMD_PROBE)) { return 'scalar'; }
    return globalThis.crossOriginIsolated ? 'threads' : 'simd';
}

/** Threads of a trainer: one per core, up to what small nets make use of. */
function defaultThreads(variant) {
    const cores = globalThis.navigator?.hardwareConcurrency ?? 1;
    return variant === 'threads' ? Math.max(1, Math.min(MOST_THREADS, cores)) : 1;
}

/** The bytes of a file, with progress told where it comes over the network. */
async function fetchBytes(url, onProgress) {
    if (url.protocol === 'file:') {
        const {readFile} = await import('node:fs/promises');
        return readFile(url);
    }
    const response = await fetch(url);
    if (!response.ok) { throw new EngineError(`${url}: ${response.status}`, 'ERR_IO'); }
    const total = Number(response.headers.get('content-length'));
    const parts = [];
    let loaded = 0;
    for (const reader = response.body.getReader(); ;) {
        const {done, value} = await reader.read();
        if (done) { break; }
        parts.push(value);
        loaded += value.length;
        if (total > 0) { onProgress(Math.min(1, loaded / total)); }
    }
    return new Uint8Array(await new Blob(parts).arrayBuffer());
}

const BLOCK_ARRAYS = ['conv', 'one', 'identity', 'sum', 'merged', 'mergedKernel', 'convKernel',
    'oneKernel'];
const MASK_ARRAYS = ['kernel', 'twin', 'before', 'gradient', 'mask', 'masked', 's', 't', 'u'];
const CLIPS = ['none', 'masked', 'plain'];

export class Engine {
    /**
     * @param {object} [options]
     * @param {string} [options.variant] 'threads', 'simd' or 'scalar'; what fits best without
     * @param {number} [options.threads] of trainers, in the variant that has them
     * @param {string|URL} [options.base] folder of repopt-<variant>.mjs
     * @param {(share: number) => void} [options.onProgress] of the download, 0 to 1
     * @returns {Promise<Engine>}
     */
    static async load({variant = chooseVariant(), threads = defaultThreads(variant),
        base = new URL('../engine/', import.meta.url), onProgress = () => {}} = {}) {
        const folder = new URL(base);
        const script = new URL(`repopt-${variant}.mjs`, folder);
        const wasm = new URL(`repopt-${variant}.wasm`, folder);
        const [{default: create}, wasmBinary] = await Promise.all(
            [import(script.href), fetchBytes(wasm, onProgress)]);
        const module = await create({wasmBinary, print: () => {}, printErr: () => {}});
        onProgress(1);
        return new Engine(module, variant, threads);
    }

    constructor(module, variant, threads) {
        this.module = module;
        this.heap = new Heap(module);
        this.variant = variant;
        this.threads = variant === 'threads' ? threads : 1;
        this.trainers = new Map();
        module._web_set_threads(this.threads);
    }

    /** @returns {{variant: string, threads: number, version: string, memoryBytes: number}} */
    info() {
        return {
            variant: this.variant,
            threads: this.threads,
            version: this.heap.text(this.module._web_version()),
            memoryBytes: this.module.HEAPU8.length,
        };
    }

    // ---- calls ----------------------------------------------------------------------------------

    /** Runs `body` with a call that turns traps into errors; memory it took is given back. */
    run(body) {
        if (this.gone) { throw new EngineError(this.gone, 'gone'); }
        try {
            return this.heap.scope(body);
        } catch (error) {
            if (error instanceof EngineError) { throw error; }
            if (error instanceof RangeError) { throw new EngineError(error.message, 'ERR_MEMORY'); }
            if (error instanceof WebAssembly.RuntimeError || error.name === 'ExitStatus') {
                this.gone = `the engine stopped: ${error.message}; load it again`;
                throw new EngineError(this.gone, 'gone');
            }
            throw error;
        }
    }

    fail() {
        throw new EngineError(this.heap.text(this.module._web_error()),
            this.heap.text(this.module._web_error_code()));
    }

    /** A status or handle, which is negative after a failure. */
    check(status) {
        return status < 0 ? this.fail() : status;
    }

    /** JSON text that the library allocated. */
    json(address) {
        if (address === 0) { this.fail(); }
        const text = this.heap.text(address);
        this.module._free(address);
        return JSON.parse(text);
    }

    // ---- lesson 1 -------------------------------------------------------------------------------

    /** One block; kernels are drawn as a net's are. */
    blockCreate({kernel, channels, height, width, seed}) {
        return this.run(() => {
            const id = this.check(
                this.module._web_block_create(kernel, channels, height, width, seed));
            return {id, convKernel: this.blockArray(id, 'convKernel'),
                oneKernel: this.blockArray(id, 'oneKernel')};
        });
    }

    /** Sets one kernel or both. */
    blockKernels(id, {conv, one}) {
        this.run(() => {
            this.check(this.module._web_block_kernels(id, this.heap.floats(conv),
                conv?.length ?? 0, this.heap.floats(one), one?.length ?? 0));
        });
    }

    /** Sets the scales, one of each kind per output channel. */
    blockScales(id, {s, t, u}) {
        if (s.length !== t.length || s.length !== u.length) {
            throw new EngineError(`scales: ${s.length}, ${t.length} and ${u.length} of them, `
                + 'wanted as many of each', 'ERR_ARGUMENT');
        }
        this.run(() => {
            this.check(this.module._web_block_scales(id, this.heap.floats(s), this.heap.floats(t),
                this.heap.floats(u), s.length));
        });
    }

    /** The branches, their sum, and the merged convolution of an image of floats. */
    blockRun(id, image) {
        return this.run(() => {
            this.check(this.module._web_block_run(id, this.heap.floats(image), image.length));
            const result = {};
            for (const name of BLOCK_ARRAYS.slice(0, 6)) {
                result[name] = this.blockArray(id, name);
            }
            result.maxDifference = this.module._web_block_difference(this.heap.floats(result.sum),
                this.heap.floats(result.merged), result.sum.length);
            return result;
        });
    }

    blockArray(id, name) {
        const which = BLOCK_ARRAYS.indexOf(name), count = this.module._web_block_count(id, which);
        const address = this.heap.take(count * 4);
        this.check(this.module._web_block_read(id, which, address, count));
        return this.heap.copyFloats(address, count);
    }

    blockDestroy(id) { this.destroy(id); }

    // ---- lesson 2 -------------------------------------------------------------------------------

    /** A block's target net beside its CSLA twin. */
    maskCreate({kernel, channels, optimizer, nesterov, momentum, decay, lr, isMasked, clip,
        clipNorm, seed}) {
        if (!CLIPS.includes(clip) || !['sgd', 'adamw'].includes(optimizer)) {
            throw new EngineError(`optimizer "${optimizer}", clip "${clip}": wanted sgd or adamw, `
                + `and ${CLIPS.join(', ')}`, 'ERR_ARGUMENT');
        }
        return this.run(() => {
            const settings = this.heap.words(
                [kernel, channels, optimizer === 'adamw', optimizer === 'sgd' && nesterov, isMasked,
                    clip === 'plain'],
                [optimizer === 'sgd' ? momentum : 0, decay, lr, clip === 'none' ? 0 : clipNorm],
                [seed]);
            const id = this.check(this.module._web_mask_create(settings));
            const {shape} = this.json(this.module._web_mask_facts(id));
            const array = (name, count) => this.maskArray(id, name, count);
            const count = shape.reduce((a, b) => a * b), channelCount = shape[0];
            return {id, shape, scales: {s: array('s', channelCount), t: array('t', channelCount),
                u: array('u', channelCount)}, mask: array('mask', count),
            kernel: array('kernel', count), twin: array('twin', count)};
        });
    }

    /** One step of both nets on the same random batch. */
    maskStep(id) {
        return this.run(() => {
            this.check(this.module._web_mask_step(id));
            const {shape, ...result} = this.json(this.module._web_mask_facts(id));
            const count = shape.reduce((a, b) => a * b);
            for (const name of MASK_ARRAYS.slice(0, 6)) {
                result[name] = this.maskArray(id, name, count);
            }
            result.difference ??= Infinity; // JSON has no number for it
            return result;
        });
    }

    maskArray(id, name, count) {
        const address = this.module._web_mask_array(id, MASK_ARRAYS.indexOf(name));
        return address === 0 ? null : this.heap.copyFloats(address, count);
    }

    maskDestroy(id) { this.destroy(id); }

    // ---- lesson 3 -------------------------------------------------------------------------------

    /** The trainer of `repopt train`, from KEY VALUE pairs. */
    trainerCreate({pairs}) {
        return this.run(() => {
            const words = pairs.flat().map(String);
            const id = this.check(
                this.module._web_trainer_create(words.length, this.heap.strings(words)));
            const facts = this.json(this.module._web_trainer_facts(id));
            this.trainers.set(id, {pictureBytes: facts.width * facts.height * facts.channels,
                classes: facts.classNames.length});
            return {id, ...facts};
        });
    }

    /** `count` steps; the loss is their mean. */
    trainerStep(id, count) {
        return this.run(() => this.json(this.module._web_trainer_step(id, count)));
    }

    trainerEvaluate(id) {
        return this.run(() => this.json(this.module._web_trainer_evaluate(id)));
    }

    trainerScales(id) {
        return this.run(() => scaleRows(this.json(this.module._web_trainer_scales(id))));
    }

    /** The kernel of block number `block`; of scaled branches the merged one. */
    trainerKernel(id, block) {
        return this.run(() => {
            const at = this.heap.take(16);
            this.check(this.module._web_trainer_kernel_shape(id, block, at));
            const shape = Array.from(this.module.HEAP32.slice(at >> 2, (at >> 2) + 4));
            const count = shape.reduce((a, b) => a * b), address = this.heap.take(count * 8);
            this.check(this.module._web_trainer_kernel(id, block, address, count));
            const first = address >> 3;
            return {shape,
                values: Float32Array.from(this.module.HEAPF64.subarray(first, first + count))};
        });
    }

    /** Pictures of the test split from number `first` on, round and round. */
    trainerSamples(id, first, count) {
        return this.run(() => {
            const {pictureBytes} = this.trainer(id);
            const pixels = this.heap.take(count * pictureBytes), labels = this.heap.take(count * 4);
            this.check(this.module._web_trainer_samples(id, first, count, pixels, labels));
            return {pictures: this.module.HEAPU8.slice(pixels, pixels + count * pictureBytes),
                labels: this.module.HEAP32.slice(labels >> 2, (labels >> 2) + count)};
        });
    }

    /** Probabilities of `count` pictures, a row of classes each. */
    trainerPredict(id, pictures, count) {
        return this.run(() => {
            const {pictureBytes, classes} = this.trainer(id);
            if (pictures.length !== count * pictureBytes) {
                throw new EngineError(`${pictures.length} bytes for ${count} pictures, wanted `
                    + `${pictureBytes} for each`, 'ERR_ARGUMENT');
            }
            const out = this.heap.take(count * classes * 4);
            this.check(this.module._web_trainer_predict(id, this.heap.bytes(pictures), count, out));
            return this.heap.copyFloats(out, count * classes);
        });
    }

    /** The checkpoint's bytes, as the command line program writes and reads them. */
    trainerSave(id) {
        const path = '/checkpoint.safetensors';
        return this.run(() => {
            try {
                this.check(this.module._web_trainer_save(id, this.heap.string(path)));
                return this.module.FS.readFile(path);
            } finally {
                this.fileRemove(path);
            }
        });
    }

    trainerDestroy(id) {
        this.trainers.delete(id);
        this.destroy(id);
    }

    /** What is known of a trainer; an id of none gets the library's own sentence. */
    trainer(id) {
        return this.trainers.get(id) ?? this.json(this.module._web_trainer_facts(id));
    }

    destroy(id) { this.run(() => this.module._web_destroy(id)); }

    // ---- files ----------------------------------------------------------------------------------

    /** Writes a file in memory, and the folders it lies in. */
    fileWrite(name, bytes) {
        const {FS} = this.module;
        try {
            FS.mkdirTree(name.slice(0, name.lastIndexOf('/')) || '/');
            FS.writeFile(name, bytes);
        } catch (error) {
            throw new EngineError(`${name}: cannot be written (${error.message})`, 'ERR_IO');
        }
    }

    /** Removes a file; one that is not there is fine. */
    fileRemove(name) {
        const {FS} = this.module;
        if (FS.analyzePath(name).exists) { FS.unlink(name); }
    }

    /** The scales that a safetensors file in memory carries. */
    scalesInspect(name) {
        return this.run(() => scaleRows(
            this.json(this.module._web_scales_inspect(this.heap.string(name)))));
    }
}

function scaleRows(rows) {
    const floats = (list) => list && Float32Array.from(list);
    return rows.map(({name, s, t, u}) => ({name, s: floats(s), t: floats(t), u: floats(u)}));
}
