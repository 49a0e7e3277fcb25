// What goes wrong is one sentence, and the engine goes on.
import assert from 'node:assert/strict';
import test, {afterEach} from 'node:test';
import {EngineError} from '../src/engine.js';
import {digitPairs, drawnPairs, loadEngine, writeDigits} from './engine.mjs';

const engine = await loadEngine();
writeDigits(engine, '/digits');

/** Fails with this code and sentence. */
function fails(body, code, sentence) {
    assert.throws(body, (error) => {
        assert.ok(error instanceof EngineError, `${error.stack}`);
        assert.equal(error.code, code, error.message);
        assert.match(error.message, sentence);
        return true;
    });
}
const create = (others) => () => engine.trainerCreate({pairs: drawnPairs(others)});

// After every failure a small run still trains.
afterEach(() => {
    const {id} = engine.trainerCreate({pairs: digitPairs('/digits')});
    assert.ok(engine.trainerStep(id, 2).loss > 0);
    engine.trainerDestroy(id);
});

test('an unknown key names the nearest', () => {
    fails(create({'SOLVER.BASE_RL': 1}), 'ERR_CONFIG', /BASE_RL.*BASE_LR/);
});

test('a wrong value names its key', () => {
    fails(create({'SOLVER.BASE_LR': 'fast'}), 'ERR_CONFIG', /SOLVER\.BASE_LR/);
});

test('a target needs scales', () => {
    fails(create({'TRAINING_MODE': 'target'}), 'ERR_CONFIG', /SCALE: empty/);
});

test('SCALE that is missing, broken, or of another net', () => {
    const target = {'TRAINING_MODE': 'target', 'SCALE': '/upload/s.safetensors'};
    fails(create(target), 'ERR_IO', /SCALE: .*s\.safetensors/);
    engine.fileWrite('/upload/s.safetensors', new Uint8Array(100).fill(7));
    fails(create(target), 'ERR_DATA', /SCALE: .*s\.safetensors/);
    const {id} = engine.trainerCreate({pairs: digitPairs('/digits')});
    const saved = engine.trainerSave(id);
    engine.trainerDestroy(id);
    engine.fileWrite('/upload/s.safetensors', saved);
    fails(create(target), 'ERR_DATA', /scales of another model/);
    engine.fileWrite('/upload/s.safetensors', saved.subarray(0, saved.length - 5));
    fails(create(target), 'ERR_DATA', /s\.safetensors/);
    fails(() => engine.scalesInspect('/upload/s.safetensors'), 'ERR_DATA', /s\.safetensors/);
    engine.fileRemove('/upload/s.safetensors');
    engine.fileRemove('/upload/s.safetensors'); // once more is fine
    fails(() => engine.scalesInspect('/upload/s.safetensors'), 'ERR_IO', /cannot be opened/);
});

test('files that are no IDX files', () => {
    const pairs = {'DATASETS.NAME': 'idx', 'DATASETS.ROOT': '/wrong'};
    fails(create(pairs), 'ERR_IO', /\/wrong/);
    engine.fileWrite('/wrong/train-images-idx3-ubyte', new Uint8Array([1, 2, 3]));
    fails(create(pairs), 'ERR_DATA', /header of IDX/);
    // 2^32 - 1 pictures of 2^15 x 2^15 must not wrap where addresses have 32 bits.
    engine.fileWrite('/wrong/train-images-idx3-ubyte',
        new Uint8Array([0, 0, 8, 3, 255, 255, 255, 255, 0, 0, 128, 0, 0, 0, 128, 0, 1]));
    fails(create(pairs), 'ERR_DATA', /more bytes than this machine can address/);
});

test('what this build leaves out says so', () => {
    engine.fileWrite('/folder/train/a/x.png', new Uint8Array(3));
    fails(create({'DATASETS.NAME': 'folder', 'DATASETS.ROOT': '/folder', 'INPUT.SIZE': 32}),
        'ERR_DATA', /cannot decode pictures/);
    fails(create({'MODEL.BACKBONE.CONV_BODY': 'RepOpt-FPN-YUMIN', 'DATASETS.NAME': 'coco'}),
        'ERR_CONFIG', /no detector/);
    fails(create({'DEVICE': 'vulkan'}), 'ERR_DEVICE', /no Vulkan/);
});

test('a model too large', () => {
    fails(create({'MODEL.VGG.PRESET': '', 'MODEL.VGG.WIDTHS': '(20000, 20000, 20000, 20000)'}),
        'ERR_CONFIG', /width 20000, wanted/);
    fails(create({'SOLVER.IMS_PER_BATCH': 20000, 'DATASETS.DRAWN_COUNT_TRAIN': 20000,
        'MODEL.VGG.PRESET': 'small'}), 'ERR_SHAPE', /elements are more than/);
    fails(create({'DATASETS.DRAWN_COUNT_TRAIN': 1e9}), 'ERR_DATA', /1000000000 pictures, wanted/);
    // Every tensor could be addressed, all of them together cannot.
    fails(create({'SOLVER.IMS_PER_BATCH': 3500, 'DATASETS.DRAWN_COUNT_TRAIN': 3500,
        'MODEL.VGG.PRESET': 'small'}), 'ERR_MEMORY', /machine cannot address/);
});

test('out of memory', () => {
    fails(create({'SOLVER.IMS_PER_BATCH': 3400, 'DATASETS.DRAWN_COUNT_TRAIN': 3400}), 'ERR_MEMORY',
        /MiB cannot be allocated; use a smaller batch or picture/);
});

test('handles of nothing, or of another kind', () => {
    fails(() => engine.maskStep(77), 'ERR_ARGUMENT', /no pair of nets 77/);
    fails(() => engine.trainerStep(0, 1), 'ERR_ARGUMENT', /no trainer 0/);
    fails(() => engine.trainerSamples(-1, 0, 1), 'ERR_ARGUMENT', /no trainer -1/);
    const {id} = engine.blockCreate({kernel: 3, channels: 2, height: 4, width: 4, seed: 1});
    fails(() => engine.trainerEvaluate(id), 'ERR_ARGUMENT', /no trainer/);
    engine.blockDestroy(id);
    engine.blockDestroy(id); // once more is fine
    fails(() => engine.blockRun(id, new Float32Array(32)), 'ERR_ARGUMENT', /no block/);
});

test('sizes that do not fit', () => {
    fails(() => engine.blockCreate({kernel: 4, channels: 2, height: 4, width: 4, seed: 1}),
        'ERR_ARGUMENT', /kernel of 4, wanted 1, 3 or 5/);
    const {id} = engine.blockCreate({kernel: 3, channels: 2, height: 4, width: 4, seed: 1});
    fails(() => engine.blockRun(id, new Float32Array(31)), 'ERR_SHAPE', /31 elements given/);
    fails(() => engine.blockKernels(id, {conv: new Float32Array(9)}), 'ERR_SHAPE', /kernel/);
    fails(() => engine.blockScales(id, {s: new Float32Array(2), t: new Float32Array(2),
        u: new Float32Array(1)}), 'ERR_ARGUMENT', /as many of each/);
    fails(() => engine.blockScales(id, {s: new Float32Array(3), t: new Float32Array(3),
        u: new Float32Array(3)}), 'ERR_SHAPE', /3 elements/);
    engine.blockDestroy(id);
});

test('a trainer asked for what it has not', () => {
    const {id} = engine.trainerCreate({pairs: digitPairs('/digits', {'SOLVER.MAX_ITER': 2})});
    engine.trainerStep(id, 2);
    fails(() => engine.trainerStep(id, 1), 'ERR_ARGUMENT', /after 2 of 2/);
    fails(() => engine.trainerKernel(id, 99), 'ERR_ARGUMENT', /block 99/);
    fails(() => engine.trainerPredict(id, new Uint8Array(63), 1), 'ERR_ARGUMENT', /wanted 64/);
    engine.trainerDestroy(id);
    const blind = engine.trainerCreate({pairs: digitPairs('/digits', {'DATASETS.TEST': '()'})});
    fails(() => engine.trainerEvaluate(blind.id), 'ERR_CONFIG', /DATASETS\.TEST: empty/);
    fails(() => engine.trainerSamples(blind.id, 0, 1), 'ERR_CONFIG', /DATASETS\.TEST: empty/);
    engine.trainerDestroy(blind.id);
});

test('settings that no optimizer has', () => {
    const mask = {kernel: 3, channels: 4, optimizer: 'sgd', nesterov: false, momentum: 0.9,
        decay: 0, lr: 0.1, isMasked: true, clip: 'none', clipNorm: 1, seed: 1};
    fails(() => engine.maskCreate({...mask, optimizer: 'lion'}), 'ERR_ARGUMENT', /wanted sgd/);
    fails(() => engine.maskCreate({...mask, lr: -1}), 'ERR_ARGUMENT', /learning rate of -1/);
    fails(() => engine.maskCreate({...mask, nesterov: true, momentum: 0}), 'ERR_CONFIG',
        /[Nn]esterov/);
    fails(() => engine.maskCreate({...mask, kernel: 2}), 'ERR_CONFIG', /kernel/i);
});

test('a loss that leaves the numbers', () => {
    const {id} = engine.trainerCreate({pairs: digitPairs('/digits', {'SOLVER.BASE_LR': 1e30})});
    fails(() => engine.trainerStep(id, 50), 'ERR_NUMERIC', /not a number|infinite/);
    engine.trainerDestroy(id);
});
