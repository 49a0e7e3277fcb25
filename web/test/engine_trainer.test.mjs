// Lesson 3: the trainer, step by step.
import assert from 'node:assert/strict';
import test from 'node:test';
import {digitPairs, drawnPairs, loadEngine, tensorsOf, writeDigits} from './engine.mjs';

const engine = await loadEngine();

test('a search, and the net that is trained with its scales', () => {
    const search = engine.trainerCreate({pairs: drawnPairs()});
    assert.equal(search.maxIteration, 20);
    assert.equal(search.classNames.length, 10);
    assert.deepEqual([search.width, search.height, search.channels], [32, 32, 3]);
    assert.ok(search.parameters > 1e5 && search.memoryBytes > 1e6);
    assert.deepEqual(search.blocks[0],
        {name: 'stage0', cIn: 3, cOut: 16, kernel: 3, hasIdentity: false});
    const before = engine.trainerScales(search.id);
    const first = engine.trainerStep(search.id, 1);
    assert.equal(first.iteration, 1);
    assert.ok(first.loss > 1 && first.gradNorm > 0 && first.ms > 0 && first.epoch === 1);
    const rest = engine.trainerStep(search.id, 100); // no more than there are
    assert.equal(rest.iteration, 20);
    assert.ok(rest.loss < first.loss);
    const scales = engine.trainerScales(search.id);
    assert.deepEqual(scales.map(({name}) => name), search.blocks.map(({name}) => name));
    assert.equal(scales[0].s.length, 16);
    assert.equal(scales[0].u, null);
    assert.equal(scales[1].u.length, 16);
    assert.notDeepEqual(scales[1].s, before[1].s);
    const kernel = engine.trainerKernel(search.id, 1);
    assert.deepEqual(kernel.shape, [16, 3, 3, 16]);
    assert.ok(kernel.values.length === 2304 && kernel.values.some((x) => x !== 0));

    const saved = engine.trainerSave(search.id), {metadata, tensors} = tensorsOf(saved);
    assert.equal(metadata.mode, 'hyper_search');
    assert.equal(metadata.iteration, '20');
    assert.ok(tensors.has('stage1.0.scale_conv.weight'));
    engine.fileWrite('/upload/scales.safetensors', saved);
    assert.deepEqual(engine.scalesInspect('/upload/scales.safetensors'), scales);
    const target = engine.trainerCreate({pairs: drawnPairs(
        {'TRAINING_MODE': 'target', 'SCALE': '/upload/scales.safetensors'})});
    assert.deepEqual(engine.trainerScales(target.id), scales);
    engine.fileRemove('/upload/scales.safetensors');
    assert.ok(engine.trainerStep(target.id, 20).loss > 0);
    assert.deepEqual(engine.trainerScales(target.id), scales); // they are constants now
    assert.ok(tensorsOf(engine.trainerSave(target.id)).tensors.has(
        'scales.stage1.0.scale_conv.weight'));
    engine.trainerDestroy(search.id);
    engine.trainerDestroy(target.id);
});

test('plain SGD has no scales; its kernel is its own', () => {
    const {id} = engine.trainerCreate({pairs: drawnPairs({'TRAINING_MODE': 'normal'})});
    assert.deepEqual(engine.trainerScales(id), []);
    assert.deepEqual(engine.trainerKernel(id, 0).shape, [16, 3, 3, 3]);
    engine.trainerDestroy(id);
});

test('digits in memory are learned, evaluated and predicted', () => {
    writeDigits(engine, '/digits');
    const made = engine.trainerCreate({pairs: digitPairs('/digits')});
    assert.deepEqual([made.width, made.height, made.channels], [8, 8, 1]);
    assert.deepEqual(made.classNames, ['class 0', 'class 1']);
    assert.ok(engine.trainerEvaluate(made.id).count === 64);
    engine.trainerStep(made.id, 60);
    const result = engine.trainerEvaluate(made.id);
    assert.ok(result.top1 > 0.95 && result.top5 === 1 && result.loss < 0.3, `${result.top1}`);
    const {pictures, labels} = engine.trainerSamples(made.id, 62, 5); // round and round
    assert.deepEqual([...labels], [0, 1, 0, 1, 0]);
    assert.equal(pictures.length, 5 * 64);
    const probabilities = engine.trainerPredict(made.id, pictures, 5);
    labels.forEach((label, i) => {
        const row = probabilities.slice(2 * i, 2 * i + 2);
        assert.ok(Math.abs(row[0] + row[1] - 1) < 1e-6);
        assert.ok(row[label] > 0.5);
    });
    engine.trainerDestroy(made.id);
});

test('predictions use the moving average where there is one', () => {
    writeDigits(engine, '/digits');
    const [plain, averaged] = [0, 0.999].map((decay) => engine.trainerCreate(
        {pairs: digitPairs('/digits', {'SOLVER.EMA_DECAY': decay})}));
    for (const {id} of [plain, averaged]) { engine.trainerStep(id, 10); }
    const {pictures} = engine.trainerSamples(plain.id, 0, 4);
    assert.notDeepEqual(engine.trainerPredict(plain.id, pictures, 4),
        engine.trainerPredict(averaged.id, pictures, 4));
    for (const {id} of [plain, averaged]) { engine.trainerDestroy(id); }
});

test('2,000 steps take no more memory', () => {
    writeDigits(engine, '/digits');
    const {id} = engine.trainerCreate({pairs: digitPairs('/digits')});
    const once = () => {
        engine.trainerStep(id, 10);
        engine.trainerEvaluate(id);
        engine.trainerScales(id);
        engine.trainerKernel(id, 0);
        engine.trainerSave(id);
        const {pictures} = engine.trainerSamples(id, 0, 8);
        engine.trainerPredict(id, pictures, 8);
    };
    once();
    const before = engine.info().memoryBytes, free = engine.module._malloc(1);
    engine.module._free(free);
    for (let i = 0; i < 200; i++) { once(); }
    assert.equal(engine.info().memoryBytes, before);
    const after = engine.module._malloc(1); // the lowest free place has not moved far either
    engine.module._free(after);
    assert.ok(Math.abs(after - free) < 65536, `${free}, ${after}`);
    assert.equal(engine.trainerStep(id, 1).iteration, 2011);
    engine.trainerDestroy(id);
});

test('trainers that come and go take no more memory', () => {
    writeDigits(engine, '/digits');
    const comeAndGo = () => {
        const {id} = engine.trainerCreate({pairs: digitPairs('/digits')});
        engine.trainerStep(id, 1);
        engine.trainerDestroy(id);
    };
    for (let i = 0; i < 3; i++) { comeAndGo(); }
    const before = engine.info().memoryBytes;
    for (let i = 0; i < 100; i++) { comeAndGo(); }
    assert.equal(engine.info().memoryBytes, before);
});
