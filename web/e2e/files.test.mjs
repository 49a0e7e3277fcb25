// files.test.mjs - models to the program and back, the visitor's digits, and files that are wrong.
import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, test} from 'node:test';
import {promisify} from 'node:util';
import {FILES, safetensorsMetadata, trainPairs} from '../src/train_settings.js';
import {program, stage} from './harness.mjs';
import {pictureFile} from './rows_page.mjs';
import {download} from './rows_train.mjs';
import {until} from './visit.mjs';

const run = promisify(execFile);
const {visit: open} = stage();
const folder = mkdtempSync(join(tmpdir(), 'repopt-e2e-'));
after(() => rmSync(folder, {recursive: true}));
const SMALL = 'train-width=4&train-count=1000&train-epochs=1';
const SETTINGS = {
    mode: 'hyper_search',
    data: 'drawn',
    width: 4,
    lr: 0.05,
    epochs: 1,
    batch: 32,
    count: 1000,
    seed: 0,
};

async function openTrain(hash = SMALL) {
    const visit = await open({hash});
    await visit.ready('train');
    return visit;
}

/** A file from the page in the folder. */
function keep(name, content) {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
}

/** The program wants a configuration; all that matters follows it as pairs. */
const emptyConfig = () => keep('none.yaml', '{}\n');

test('the program reads a model of the page and measures the same', async () => {
    const visit = await openTrain();
    const {accuracy} = await visit.train();
    const {name, content} = await download(visit);
    await visit.close();
    const path = keep(name, content);
    const scales = (await run(program(), ['scales', path])).stdout;
    assert.match(scales, /stage/);
    const config = keep('config.yaml', safetensorsMetadata(content).config);
    const {stdout} = await run(program(), [
        'test',
        '--json',
        '--device',
        'cpu',
        '--config-file',
        config,
        'MODEL.WEIGHT',
        path,
    ]);
    const top1 = 100 * JSON.parse(stdout).top1;
    assert.ok(
        Math.abs(top1 - accuracy) <= 0.4,
        `the program measures ${top1} %, the page ${accuracy} % (one picture is 0.2 %)`,
    );
});

test('the page reads the program’s search and trains RepOptimizer with it', async () => {
    const out = join(folder, 'search');
    await run(program(), [
        'train',
        '--quiet',
        '--device',
        'cpu',
        '--config-file',
        emptyConfig(),
        'OUTPUT_DIR',
        out,
        ...trainPairs(SETTINGS).flat(),
    ]);
    const content = readFileSync(join(out, 'model_final.safetensors'));
    const visit = await openTrain();
    await visit.upload('train-scale-file', 'model_final.safetensors', content);
    await visit.still();
    assert.equal(await visit.words('train-scale-error'), '');
    assert.ok(await visit.at('train-mode-target').isChecked());
    const first = (await visit.trainOneStep()).loss;
    const {done, all, loss} = await visit.train();
    assert.ok(done === all && loss < first, `loss from ${first} to ${loss}`);
    const [{pairs}] = await visit.lastCall('trainerCreate');
    assert.equal(new Map(pairs).get('SCALE'), FILES.scales);
    await visit.close();
});

test('a model comes back into another visit as it was', async () => {
    const visit = await openTrain();
    await visit.train();
    await visit.press('train-mode-target');
    const {accuracy} = await visit.train();
    const {name, content} = await download(visit);
    await visit.close();
    const other = await openTrain('');
    await other.upload('train-model-file', name, content);
    await other.still();
    assert.equal(await other.words('train-file-error'), '');
    assert.ok(await other.at('train-mode-target').isChecked());
    assert.equal(await other.value('train-width'), '4');
    assert.ok(
        (await other.words('train-file-note')).includes(`${accuracy.toFixed(1)} %`),
        `${await other.words('train-file-note')}, wanted ${accuracy} %`,
    );
    await other.close();
});

/** Strokes of two digits that differ well: a bar, and a ring. */
function strokes(label, shift) {
    if (label === 1) {
        return [
            [0.5 + shift, 0.15],
            [0.5 - shift, 0.85],
        ];
    }
    return Array.from({length: 9}, (_, i) => [
        0.5 + 0.25 * Math.cos((i * Math.PI) / 4) + shift,
        0.5 + 0.35 * Math.sin((i * Math.PI) / 4),
    ]);
}

test('digits that the visitor draws are learnt', async () => {
    const visit = await openTrain('train-width=4&train-epochs=4');
    await visit.press('train-data-digits');
    for (const label of [0, 1]) {
        await visit.press(`digits-label-${label}`);
        for (let i = 0; i < 4; i++) {
            await visit.draw('digits-pad', strokes(label, 0.04 * i));
            await visit.press('digits-add');
        }
    }
    assert.ok(await visit.at('train-start').isEnabled(), await visit.words('digits-status'));
    const first = (await visit.trainOneStep()).loss;
    const {loss} = await visit.train();
    assert.ok(loss < 0.5 * first, `loss from ${first} to ${loss}`);
    for (const label of [0, 1]) {
        await visit.press('try-clear');
        await visit.draw('try-pad', strokes(label, 0.02));
        await until(
            `it says ${label}`,
            async () =>
                (await visit.words('try-result')).includes(
                    visit.t('try.result', {name: label, share: ''}).split(',')[0],
                ),
            5000,
        );
    }
    await visit.close();
});

// ---- what goes wrong ----------------------------------------------------------------------------

test('wrong files are refused in words, and what was there stays', async () => {
    const visit = await openTrain();
    const done = await visit.train();
    const words = Buffer.from('not a model at all, but long enough to be looked at');
    const empty = Buffer.alloc(0);
    const {content} = await download(visit);
    const cut = content.subarray(0, Math.floor(content.length / 2));
    const header = Buffer.from(content);
    header.fill(0x7b, 8, 80);
    const shape = Buffer.from(content.toString('latin1').replace('"F32"', '"F99"'), 'latin1');
    for (const input of ['model', 'scale']) {
        for (const [name, bytes] of Object.entries({words, empty, cut, header, shape})) {
            await visit.upload(`train-${input}-file`, `${name}.safetensors`, bytes);
            await visit.still();
            const place = input === 'model' ? 'train-file-error' : 'train-scale-error';
            const sentence = await visit.words(place);
            assert.ok(sentence.length > 20, `${input} ${name}: “${sentence}”`);
            assert.ok(sentence.includes(name), `the sentence names the file: ${sentence}`);
            assert.deepEqual(await visit.run(), done, 'the run is still there');
        }
    }
    assert.ok(await visit.at('train-mode-search').isChecked());
    assert.equal((await visit.trainOneStep()).done, 1, 'the page goes on');
    await visit.close();
});

test('a picture that is none is refused in words', async () => {
    const visit = await open();
    const before = await visit.picture('merge-view-merged');
    await visit.upload('merge-file', 'notes.png', 'no picture');
    await until('a sentence', async () => (await visit.words('merge-picture-error')) !== '');
    assert.equal(
        await visit.words('merge-picture-error'),
        visit.t('picture.badfile', {name: 'notes.png'}),
    );
    assert.equal(await visit.picture('merge-view-merged'), before);
    await visit.upload('merge-file', 'disc.png', await pictureFile(visit));
    await until(
        'another picture',
        async () => (await visit.picture('merge-view-merged')) !== before,
    );
    assert.equal(await visit.words('merge-picture-error'), '');
    await visit.close();
});

/** Wider than the list offers: a net of some 10 GB. */
const tooLarge = [
    ['512', 'the memory', /cannot be allocated|memory/],
    ['1024', '32-bit addresses', /elements are more than the 268435455 a tensor may have/],
];
for (const [width, what, words] of tooLarge) {
    test(`a model too large for ${what} is refused in words`, async () => {
        const visit = await openTrain();
        const done = await visit.train();
        await visit.page.evaluate((width) => {
            document.getElementById('train-width').append(new Option(width, width));
        }, width);
        await visit.set('train-width', width);
        await visit.press('train-start');
        await visit.still();
        const sentence = await visit.words('train-error');
        assert.match(sentence, words, sentence);
        assert.deepEqual(await visit.run(), done, 'the run before is still there');
        await visit.set('train-width', 4);
        assert.equal((await visit.trainOneStep()).done, 1, 'a smaller one trains');
        assert.equal(await visit.words('train-error'), '');
        await visit.close();
    });
}
