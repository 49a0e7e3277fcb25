// rows_train.mjs - what each control of lesson 3 does, a row each; see rows_page.mjs.
//
// Begins with the smallest net and one epoch of it, as controls.test.mjs opens the page.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';
import {changes} from './rows_page.mjs';
import {until} from './visit.mjs';

/** The value that the newest trainer was made with. */
async function pair(visit, key) {
    const [{pairs}] = await visit.lastCall('trainerCreate');
    return new Map(pairs).get(key);
}

/** Presses the download button; name and bytes of the file. */
export async function download(visit) {
    const [file] = await Promise.all([
        visit.page.waitForEvent('download'),
        visit.press('train-save'),
    ]);
    return {name: file.suggestedFilename(), content: readFileSync(await file.path())};
}

// ---- the run ------------------------------------------------------------------------------------

async function start(visit) {
    await visit.set('train-epochs', 20);
    await visit.press('train-start');
    assert.equal(await visit.words('train-start'), visit.t('word.pause'));
    await until('some steps', async () => (await visit.run()).done > 3);
    assert.ok(await visit.at('train-step').isDisabled());
    await visit.press('train-start');
    await visit.still();
    const paused = await visit.run();
    assert.equal(await visit.words('train-start'), visit.t('word.resume'));
    await sleep(300);
    assert.equal((await visit.run()).done, paused.done, 'a pause is a pause');
    await visit.press('train-start');
    await until('it goes on', async () => (await visit.run()).done > paused.done);
    await visit.press('train-start');
    await visit.still();
    await visit.set('train-epochs', 1);
}

async function step(visit) {
    assert.equal((await visit.trainOneStep()).done, 1);
    await visit.press('train-step');
    await visit.still();
    assert.equal((await visit.run()).done, 2);
}

async function reset(visit) {
    const first = await visit.trainOneStep();
    await visit.press('train-reset');
    await visit.still();
    assert.equal(await visit.words('train-result'), visit.t('train.before'));
    assert.equal(await visit.page.locator('#train-samples li').count(), 0);
    assert.ok(await visit.at('train-save').isDisabled());
    assert.deepEqual(await visit.trainOneStep(), first, 'the same seed, the same numbers');
}

/** A setting reaches the trainer; `differs` is the column of the table that it changes. */
function setting(id, value, [key, wanted], differs) {
    return async (visit) => {
        const back = await visit.value(id),
            usual = await visit.trainOneStep();
        await visit.set(id, value);
        assert.equal(await visit.words('train-result'), visit.t('train.stale'));
        const other = await visit.trainOneStep();
        assert.equal(await pair(visit, key), wanted);
        assert.notEqual(other[differs], usual[differs], `${id} changes ${differs}`);
        await visit.set(id, back);
        assert.deepEqual(await visit.trainOneStep(), usual, 'the same settings, the same numbers');
    };
}

/** The learning rate shows in the second loss: the first is of the net as it is drawn. */
async function learningRate(visit) {
    const losses = [];
    for (const value of ['0.05', '0.8', '0.05']) {
        await visit.set('train-lr', value);
        await visit.trainOneStep();
        assert.equal(await pair(visit, 'SOLVER.BASE_LR'), value);
        for (let i = 0; i < 3; i++) {
            await visit.press('train-step');
            await visit.still();
        }
        losses.push((await visit.run()).loss);
    }
    assert.notEqual(losses[0], losses[1]);
    assert.equal(losses[0], losses[2]);
    await visit.set('train-lr', '7');
    assert.ok(await visit.at('train-start').isDisabled());
    assert.equal(
        await visit.words('train-result'),
        visit.t('train.badnumber', {what: visit.t('word.lr'), low: 0.0001, high: 1}),
    );
    await visit.set('train-lr', '0.05');
    assert.ok(await visit.at('train-start').isEnabled());
}

const mode = (id, name) => async (visit) => {
    await visit.press(id);
    assert.equal(await visit.words('train-mode-note'), visit.t(`mode.note.${name}`));
    const {done, all} = await visit.train();
    assert.ok(all > 0 && done === all, `${done} of ${all}`);
    assert.equal(await pair(visit, 'TRAINING_MODE'), name);
    const rows = await visit.page.locator('#train-table tbody th').allTextContents();
    assert.ok(rows.includes(visit.t(`mode.${name}`)));
};

async function scaleSource(visit) {
    await visit.press('train-mode-target');
    await visit.set('train-scale-source', 'file');
    assert.equal(await visit.words('train-scale-note'), visit.t('train.noscales'));
    assert.ok(await visit.at('train-start').isDisabled());
    await visit.set('train-scale-source', 'search');
    assert.ok(await visit.at('train-start').isEnabled());
    await visit.press('train-mode-search');
    assert.ok(await visit.at('train-scale-source').isDisabled());
}

async function forget(visit) {
    const rows = () => visit.page.locator('#train-table tbody tr').count();
    assert.ok((await rows()) > 1);
    await visit.press('train-forget');
    assert.equal(await rows(), 1);
}

// ---- files --------------------------------------------------------------------------------------

let kept;

async function save(visit) {
    await visit.press('train-mode-search');
    await visit.train();
    kept = await download(visit);
    assert.equal(kept.name, 'repopt-hyper_search-seed0.safetensors');
    assert.ok(kept.content.length > 10000);
    assert.ok((await visit.words('train-file-note')).includes(kept.name));
}

async function scaleFile(visit) {
    await visit.upload('train-scale-file', kept.name, kept.content);
    await visit.still();
    assert.equal(await visit.value('train-scale-source'), 'file');
    assert.ok(await visit.at('train-mode-target').isChecked());
    assert.ok((await visit.words('train-scale-note')).includes(kept.name));
    assert.equal((await visit.train()).done, 31);
    await visit.set('train-scale-source', 'search');
    await visit.press('train-mode-search');
}

async function modelFile(visit) {
    await visit.upload('train-model-file', kept.name, kept.content);
    await visit.still();
    const note = await visit.words('train-file-note');
    assert.ok(note.includes(kept.name) && note.includes(visit.t('mode.hyper_search')), note);
    assert.ok(await visit.at('train-mode-search').isChecked());
    assert.ok((await visit.page.locator('#train-samples li').count()) > 0);
}

// ---- the visitor's digits -----------------------------------------------------------------------

const count = async (visit, label) =>
    Number(
        await visit.page
            .locator(`#digits-labels label:nth-child(${label + 1}) small`)
            .textContent(),
    );

async function digits(visit) {
    await visit.press('train-data-digits');
    assert.ok(await visit.at('digits').isVisible());
    assert.ok(await visit.at('train-count').isDisabled());
    assert.ok(await visit.at('train-start').isDisabled(), 'no digits, no training');
}

const ONE = [
    [0.5, 0.15],
    [0.5, 0.85],
];

async function drawAndAdd(visit) {
    const blank = await visit.picture('digits-pad');
    await visit.press('digits-add');
    assert.equal(await visit.words('digits-error'), visit.t('digits.blank'));
    await visit.press('digits-label-1');
    await changes(visit, 'digits-pad', () => visit.draw('digits-pad', ONE));
    await visit.press('digits-add');
    assert.equal(await count(visit, 1), 1);
    assert.equal(await visit.picture('digits-pad'), blank, 'the pad is free for the next');
    assert.equal(await visit.words('digits-error'), '');
}

/** The keyboard draws as well: pen down, two strokes of arrows, Enter adds. */
async function drawByKeys(visit) {
    const before = await count(visit, 1);
    await visit.at('digits-pad').focus();
    for (const key of ['Space', ...Array(8).fill('ArrowDown'), 'Space', 'Enter']) {
        await visit.page.keyboard.press(key);
    }
    assert.equal(await count(visit, 1), before + 1);
}

async function clearPad(visit) {
    await visit.press('digits-clear');
    const blank = await visit.picture('digits-pad');
    await changes(visit, 'digits-pad', () => visit.draw('digits-pad', ONE));
    await visit.press('digits-clear');
    assert.equal(await visit.picture('digits-pad'), blank);
}

const label = (value) => async (visit) => {
    await visit.press(`digits-label-${value}`);
    const before = await count(visit, value);
    await visit.draw('digits-pad', ONE);
    await visit.press('digits-add');
    assert.equal(await count(visit, value), before + 1);
};

async function typed(visit) {
    await visit.press('digits-typed');
    for (let value = 0; value < 10; value++) {
        assert.equal(await count(visit, value), 12);
    }
    assert.ok((await visit.train()).done > 0);
    assert.equal(await pair(visit, 'DATASETS.NAME'), 'mnist');
}

async function empty(visit) {
    await visit.press('digits-empty');
    assert.equal(await count(visit, 0), 0);
    assert.ok(await visit.at('train-start').isDisabled());
}

async function drawn(visit) {
    await visit.press('train-data-drawn');
    assert.ok(await visit.at('digits').isHidden());
    assert.equal((await visit.train()).done, 31);
    assert.equal(await pair(visit, 'DATASETS.NAME'), 'drawn');
}

// ---- panels -------------------------------------------------------------------------------------

const shares = (visit) => visit.page.locator('#try-bars .share').allTextContents();

async function tryPad(visit) {
    await visit.draw('try-pad', [
        [0.2, 0.2],
        [0.8, 0.2],
        [0.8, 0.8],
        [0.2, 0.8],
        [0.2, 0.2],
    ]);
    await until('a guess', async () => (await visit.words('try-result')) !== '');
    const sum = (await shares(visit)).reduce((a, b) => a + parseFloat(b), 0);
    assert.ok(Math.abs(sum - 100) < 6, `probabilities add up to ${sum} %`);
}

async function tryClear(visit) {
    await visit.press('try-clear');
    await until('no guess', async () => (await visit.words('try-result')) === '');
}

async function tryColour(visit) {
    await visit.set('try-colour', '#ff0000');
    await visit.draw('try-pad', [
        [0.3, 0.5],
        [0.7, 0.5],
    ]);
    assert.deepEqual(await visit.pixel('try-pad', 0.5, 0.5), [255, 0, 0, 255]);
    await visit.press('try-clear');
}

async function tryGround(visit) {
    await visit.set('try-ground', '#00ff00');
    assert.deepEqual(await visit.pixel('try-pad', 0.02, 0.02), [0, 255, 0, 255]);
}

async function block(visit) {
    const labelOf = () => visit.at('train-kernel').getAttribute('aria-label');
    const before = await labelOf();
    await changes(visit, 'train-kernel', () => visit.set('train-block', 2));
    const after = await labelOf();
    assert.notEqual(after, before);
    const name = await visit.at('train-block').evaluate((select) => select.selectedOptions[0].text);
    assert.ok(after.includes(name.split(' ')[0]), after);
}

async function more(visit) {
    const first = '#train-samples li:first-child canvas';
    await changes(visit, first, () => visit.press('train-more'));
    assert.equal(await visit.page.locator('#train-samples li').count(), 12);
}

/** A table wider than its place is scrolled with the arrow keys. */
async function table(visit) {
    const region = visit.page.locator('.scroll');
    await region.focus();
    const width = await region.evaluate((e) => e.scrollWidth - e.clientWidth);
    if (width > 0) {
        await visit.page.keyboard.press('ArrowRight');
        await until('it scrolls', () => region.evaluate((e) => e.scrollLeft > 0));
    }
    assert.notEqual(await region.getAttribute('aria-label'), '');
}

const labels = Array.from({length: 10}, (_, value) => [`digits-label-${value}`, label(value)]);

export const trainRows = {
    'train-start': start,
    'train-step': step,
    'train-reset': reset,
    'train-lr': learningRate,
    'train-width': setting('train-width', 8, ['MODEL.VGG.WIDTHS', '(8,16,32,64)'], 'parameters'),
    'train-epochs': setting('train-epochs', 3, ['SOLVER.EPOCHS', '3'], 'all'),
    'train-batch': setting('train-batch', 64, ['SOLVER.IMS_PER_BATCH', '64'], 'all'),
    'train-count': setting('train-count', 2000, ['DATASETS.DRAWN_COUNT_TRAIN', '2000'], 'all'),
    'train-seed': setting('train-seed', 5, ['SEED', '5'], 'loss'),
    'train-mode-normal': mode('train-mode-normal', 'normal'),
    'train-mode-search': mode('train-mode-search', 'hyper_search'),
    'train-mode-target': mode('train-mode-target', 'target'),
    'train-scale-source': scaleSource,
    'train-forget': forget,
    'train-save': save,
    'train-scale-file': scaleFile,
    'train-model-file': modelFile,
    'region train.table': table,
    'try-pad': tryPad,
    'try-clear': tryClear,
    'try-colour': tryColour,
    'try-ground': tryGround,
    'train-block': block,
    'train-more': more,
    'train-data-digits': digits,
    'digits-add': drawAndAdd,
    'digits-pad': drawByKeys,
    'digits-clear': clearPad,
    ...Object.fromEntries(labels),
    'digits-typed': typed,
    'digits-empty': empty,
    'train-data-drawn': drawn,
};
