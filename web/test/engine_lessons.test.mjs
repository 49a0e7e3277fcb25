// Lessons 1 and 2: branches against their merged kernel, a net against its twin.
import assert from 'node:assert/strict';
import test from 'node:test';
import {loadEngine} from './engine.mjs';

const engine = await loadEngine();
const image = (count) => Float32Array.from({length: count}, (_, i) => ((i * 37) % 256) / 255);

test('info says what runs', () => {
    const info = engine.info();
    assert.equal(info.variant, 'simd');
    assert.equal(info.threads, 1);
    assert.match(info.version, /^\d+\.\d+\.\d+$/);
    assert.ok(info.memoryBytes >= 1 << 24);
});

for (const kernel of [1, 3, 5]) {
    test(`a block of kernel ${kernel}: the sum of its branches is the merged convolution`, () => {
        const height = 17, width = 23, count = height * width * 3;
        const {id, convKernel, oneKernel} = engine.blockCreate(
            {kernel, channels: 3, height, width, seed: 5});
        assert.equal(convKernel.length, 9 * kernel * kernel);
        assert.equal(oneKernel.length, 9);
        const bound = 1 / Math.sqrt(3 * kernel * kernel); // PyTorch's default
        assert.ok(convKernel.every((x) => Math.abs(x) <= bound));
        assert.ok(new Set(convKernel).size > 8);
        engine.blockScales(id, {s: new Float32Array([1.5, -0.5, 2]),
            t: new Float32Array([0.7, 1, -1]), u: new Float32Array([1, 0, 0.5])});
        const run = engine.blockRun(id, image(count));
        assert.ok(run.maxDifference < 1e-5, `${run.maxDifference}`);
        assert.ok(run.maxDifference > 0); // two different computations
        for (const name of ['conv', 'one', 'identity', 'sum', 'merged']) {
            assert.equal(run[name].length, count);
        }
        // The identity branch is u times the picture, the middle tap has all three branches.
        assert.equal(run.identity[2], Math.fround(0.5 * image(count)[2]));
        const middle = 3 * ((kernel * kernel) >> 1);
        const merged = 1.5 * convKernel[middle] + 0.7 * oneKernel[0] + 1;
        assert.ok(Math.abs(run.mergedKernel[middle] - merged) < 1e-6);
        engine.blockDestroy(id);
    });
}

test('kernels that are set are used; seeds give the same ones again', () => {
    const options = {kernel: 3, channels: 1, height: 4, width: 4, seed: 9};
    const a = engine.blockCreate(options), b = engine.blockCreate(options);
    const c = engine.blockCreate({...options, seed: 10});
    assert.deepEqual(a.convKernel, b.convKernel);
    assert.notDeepEqual(a.convKernel, c.convKernel);
    const conv = new Float32Array(9), zero = new Float32Array(1);
    conv[4] = 2;
    engine.blockKernels(a.id, {conv, one: new Float32Array([3])});
    engine.blockScales(a.id, {s: new Float32Array([1]), t: new Float32Array([1]), u: zero});
    const {conv: out, one, identity, merged} = engine.blockRun(a.id, image(16));
    assert.deepEqual(out, image(16).map((x) => 2 * x));
    assert.deepEqual(one, image(16).map((x) => 3 * x));
    assert.ok(identity.every((x) => x === 0));
    assert.deepEqual(merged, image(16).map((x) => 5 * x));
    engine.blockKernels(a.id, {one: zero});
    assert.ok(engine.blockRun(a.id, image(16)).one.every((x) => x === 0));
    for (const {id} of [a, b, c]) { engine.blockDestroy(id); }
});

const settings = {kernel: 3, channels: 4, optimizer: 'sgd', nesterov: true, momentum: 0.9,
    decay: 1e-4, lr: 0.02, isMasked: true, clip: 'none', clipNorm: 1, seed: 3};

/** The largest difference over 50 steps. */
function follow(others) {
    const {id} = engine.maskCreate({...settings, ...others});
    let largest = 0;
    for (let i = 0; i < 50; i++) { largest = Math.max(largest, engine.maskStep(id).difference); }
    engine.maskDestroy(id);
    return largest;
}

for (const [title, others] of Object.entries({
    'SGD': {}, 'SGD without Nesterov': {nesterov: false}, 'SGD, kernel 1': {kernel: 1},
    'SGD, kernel 5': {kernel: 5}, 'SGD, masked clipping': {clip: 'masked'},
    'AdamW': {optimizer: 'adamw', lr: 0.001, decay: 0.1},
    'AdamW, masked clipping': {optimizer: 'adamw', lr: 0.001, clip: 'masked'},
})) {
    test(`masked ${title} stays with its twin`, () => {
        const largest = follow(others);
        assert.ok(largest < 1e-5 && largest > 0, `${largest}`);
    });
}

for (const [title, others] of Object.entries({
    'SGD without mask': {isMasked: false}, 'SGD with plain clipping': {clip: 'plain'},
    'AdamW without mask': {optimizer: 'adamw', lr: 0.001, isMasked: false},
})) {
    test(`${title} leaves its twin`, () => {
        const largest = follow(others);
        assert.ok(largest > 1e-3, `${largest}`);
    });
}

test('a masked step is what it says', () => {
    const made = engine.maskCreate({...settings, nesterov: false, momentum: 0, decay: 0});
    assert.deepEqual(made.shape, [4, 3, 3, 4]);
    const step = engine.maskStep(made.id);
    assert.equal(step.step, 1);
    assert.ok(step.loss > 0 && Math.abs(step.loss - step.twinLoss) < 1e-5);
    assert.deepEqual(step.before, made.kernel);
    assert.deepEqual(step.mask, made.mask);
    const lr = Math.fround(settings.lr);
    step.kernel.forEach((value, i) => {
        assert.equal(step.masked[i], Math.fround(step.mask[i] * step.gradient[i]));
        assert.ok(Math.abs(value - (step.before[i] - lr * step.masked[i])) < 1e-7);
    });
    // s^2 off the centre, s^2 + t^2 at it, + 1 where input and output channel are the same.
    const {s, t} = made.scales, at = (o, tap, c) => made.mask[(o * 9 + tap) * 4 + c];
    const near = (a, b) => assert.ok(Math.abs(a - b) < 1e-6, `${a}, ${b}`);
    near(at(1, 0, 1), s[1] ** 2);
    near(at(1, 4, 2), s[1] ** 2 + t[1] ** 2);
    near(at(1, 4, 1), s[1] ** 2 + t[1] ** 2 + 1);
    engine.maskDestroy(made.id);
    const plain = engine.maskCreate({...settings, isMasked: false});
    assert.ok(plain.mask.every((x) => x === 1));
    engine.maskDestroy(plain.id);
});
