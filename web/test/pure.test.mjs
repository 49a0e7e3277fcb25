// pure.test.mjs - the parts of the page that need no browser.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DigitSet, LEAST_OF_EACH, idxImages, idxLabels, inkBox} from '../src/digits.js';
import {heatColour, heatLimit} from '../src/heat.js';
import {histogramBins, scaleRange, scaleStart} from '../src/histogram.js';
import {difference, fixed, power, scientific, short} from '../src/numbers.js';
import {presetKernels} from '../src/presets.js';
import {decodeSettings, encodeSettings} from '../src/share.js';
import {
    configPairs,
    modelSettings,
    safetensorsMetadata,
    trainPairs,
} from '../src/train_settings.js';

test('a share link brings settings back', () => {
    const defaults = {'train-lr': '0.05', 'train-seed': '0', 'mask-on': '1', 'odd & key': 'a'};
    const values = {'train-lr': '0.1', 'train-seed': '0', 'mask-on': '0', 'odd & key': 'x=1&y %'};
    const hash = encodeSettings(values, defaults);
    assert.deepEqual(decodeSettings(`#${hash}`, defaults), values);
    assert.ok(!hash.includes('train-seed'), 'a default needs no place in the link');
    assert.equal(encodeSettings(defaults, defaults), '');
});

test('a link with unknown or broken parts changes nothing else', () => {
    const defaults = {a: '1', b: '2'};
    assert.deepEqual(decodeSettings('#b=3&c=4&__proto__=5&%E0%A4%A=6&a', defaults), {
        a: '1',
        b: '3',
    });
    assert.deepEqual(decodeSettings('#merge', defaults), defaults);
});

test('histogram bins count every finite value once', () => {
    assert.deepEqual(histogramBins([0, 0.49, 0.5, 0.99, 1, 2, -3, NaN], 0, 1, 2), [3, 4]);
    const many = Float32Array.from({length: 1000}, (_, i) => Math.sin(i));
    const bins = histogramBins(many, -1, 1, 24);
    assert.equal(
        bins.reduce((a, b) => a + b),
        1000,
    );
});

test('the axis of the scales holds all of them, as shares of their start', () => {
    const rows = [
        {name: 'stage0', s: [0.21, 1], t: [1.3], u: null},
        {name: 'stage1.1', s: [Math.SQRT2], t: [-0.34], u: [1.91]},
    ];
    const {low, high} = scaleRange(rows);
    assert.ok(low <= -0.24 && low >= -0.4 && high >= 1.91 && high <= 2.0);
    assert.equal(scaleStart('stage0'), 1);
    assert.equal(scaleStart('stage3.0'), 1);
    assert.equal(scaleStart('stage3.2'), 1);
    assert.equal(scaleStart('stage3.1'), Math.SQRT2);
});

test('IDX files have the header and the bytes that the format names', () => {
    const images = idxImages([new Uint8Array(4).fill(7), new Uint8Array(4).fill(9)], 2);
    assert.deepEqual([...images.slice(0, 16)], [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2]);
    assert.deepEqual([...images.slice(16)], [7, 7, 7, 7, 9, 9, 9, 9]);
    assert.deepEqual([...idxLabels([5, 0, 9])], [0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 9]);
    assert.equal(idxLabels(new Array(300).fill(1))[6], 1, 'sizes are big-endian');
});

test('a set of digits says what it lacks, then keeps every fourth for the test', () => {
    const set = new DigitSet();
    assert.equal(set.isReady, false);
    const picture = (value) => new Uint8Array(784).fill(value);
    for (let i = 0; i < LEAST_OF_EACH; i++) {
        set.add(3, picture(i));
    }
    assert.deepEqual(set.missing(), []);
    assert.equal(set.isReady, false, 'one label is no task');
    set.add(8, picture(100));
    assert.deepEqual(set.missing(), [{label: 8, count: LEAST_OF_EACH - 1}]);
    for (let i = 1; i < LEAST_OF_EACH; i++) {
        set.add(8, picture(100 + i));
    }
    assert.ok(set.isReady);
    const {train, test: kept} = set.split();
    assert.equal(train.length + kept.length, 2 * LEAST_OF_EACH);
    assert.deepEqual(
        kept.map((item) => item.label),
        [3, 8],
    );
    assert.ok(!train.some((item) => kept.includes(item)));
});

test('a small set of digits fills an epoch by coming several times', () => {
    const set = new DigitSet();
    for (const label of [0, 1]) {
        for (let i = 0; i < 4; i++) {
            set.add(label, new Uint8Array(784).fill(10 * label + i));
        }
    }
    const files = Object.fromEntries(set.files());
    const labels = files['train-labels-idx1-ubyte'],
        images = files['train-images-idx3-ubyte'];
    const count = new DataView(labels.buffer).getUint32(4);
    assert.ok(count >= 640 && count % 6 === 0);
    assert.equal(labels.length, 8 + count);
    assert.equal(images.length, 16 + 784 * count);
    assert.equal(images[16 + 784 * 7], images[16 + 784], 'the second round repeats the first');
    assert.equal(new DataView(files['t10k-labels-idx1-ubyte'].buffer).getUint32(4), 2);
});

test('the ink of a drawing is found', () => {
    const pixels = new Uint8Array(100);
    assert.equal(inkBox(pixels, 10), null);
    pixels[23] = 255;
    pixels[58] = 255;
    assert.deepEqual(inkBox(pixels, 10), {left: 3, top: 2, width: 6, height: 4});
});

test('heat colours: white at zero, ends apart, beyond the ends cut', () => {
    assert.deepEqual(heatColour(0), [252, 252, 250]);
    assert.deepEqual(heatColour(NaN), heatColour(0));
    assert.deepEqual(heatColour(7), heatColour(1));
    const [red, , blue] = heatColour(1),
        [otherRed, , otherBlue] = heatColour(-1);
    assert.ok(red > blue && otherBlue > otherRed);
    assert.equal(heatLimit([0.1, -0.314], [0.2]), 0.32);
    assert.equal(heatLimit([0, 0]), 1);
});

test('presets keep what they promise', () => {
    for (const k of [1, 3, 5]) {
        const centre = (k * k - 1) / 2;
        const blur = presetKernels('blur', k).conv,
            edge = presetKernels('edge', k).conv;
        assert.equal(blur.length, 9 * k * k);
        assert.ok(Math.abs(blur.reduce((a, b) => a + b) - 3) < 1e-6, 'a blur keeps the brightness');
        assert.ok(Math.abs(edge.reduce((a, b) => a + b)) < 1e-6, 'an even area has no edge');
        for (let i = 0; i < blur.length; i++) {
            const isCentre =
                Math.floor(i / 3) % (k * k) === centre && i % 3 === Math.floor(i / (3 * k * k));
            assert.ok(Math.abs(blur[i] + edge[i] - (isCentre ? 1 : 0)) < 1e-6);
        }
    }
});

test('numbers are written as people write them', () => {
    assert.equal(scientific(2.38e-7), '2.4\u00a0×\u00a010⁻⁷');
    assert.equal(difference(0.196), '0.2');
    assert.equal(difference(2e-3), '2.0\u00a0×\u00a010⁻³');
    assert.equal(scientific(0), '0');
    assert.equal(power(1e-8), '10⁻⁸');
    assert.equal(fixed(-0.001), '0.00');
    assert.equal(fixed(-1.5), '−1.50');
    assert.equal(short(0.0316227), '0.0316');
});

test('settings become pairs, and a file brings its own net', () => {
    const settings = {
        mode: 'target',
        data: 'drawn',
        width: 8,
        lr: 0.05,
        epochs: 8,
        batch: 32,
        count: 4000,
        seed: 3,
    };
    const pairs = new Map(trainPairs(settings, {scale: '/upload/a.safetensors'}));
    assert.equal(pairs.get('MODEL.VGG.WIDTHS'), '(8,16,32,64)');
    assert.equal(pairs.get('SCALE'), '/upload/a.safetensors');
    assert.equal(pairs.get('SEED'), '3');
    const digits = new Map(
        trainPairs({...settings, data: 'digits'}, {net: [['MODEL.VGG.WIDTHS', '[4]']]}),
    );
    assert.equal(digits.get('DATASETS.NAME'), 'mnist');
    assert.equal(digits.get('MODEL.VGG.WIDTHS'), '[4]');
    assert.ok(!digits.has('SCALE') && !digits.has('MODEL.VGG.STRIDES'));
});

test('a model file says its mode, data and net', () => {
    const config =
        'TRAINING_MODE: target\nMODEL:\n  WEIGHT: ""\n  VGG:\n    WIDTHS: [4, 8, 16, 32]\n' +
        '    KERNEL_SIZE: 5\n  BN:\n    EPS: 1.0e-05\nDATASETS:\n  NAME: mnist\n';
    assert.equal(configPairs(config).get('MODEL.BN.EPS'), '1.0e-05');
    const header = new TextEncoder().encode(
        JSON.stringify({__metadata__: {mode: 'target', config}}),
    );
    const file = new Uint8Array(8 + header.length);
    new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true);
    file.set(header, 8);
    const found = modelSettings(safetensorsMetadata(file));
    assert.equal(found.mode, 'target');
    assert.equal(found.data, 'digits');
    assert.equal(found.width, 4);
    assert.deepEqual(found.net, [
        ['MODEL.VGG.WIDTHS', '[4, 8, 16, 32]'],
        ['MODEL.VGG.KERNEL_SIZE', '5'],
    ]);
});

test('what is no safetensors file is told apart', () => {
    assert.equal(safetensorsMetadata(new Uint8Array(3)), null);
    assert.equal(safetensorsMetadata(new Uint8Array(64).fill(255)), null);
    assert.equal(safetensorsMetadata(new TextEncoder().encode('\x04\0\0\0\0\0\0\0{"a"')), null);
    assert.deepEqual(safetensorsMetadata(new TextEncoder().encode('\x02\0\0\0\0\0\0\0{}')), {});
});
