// lessons.test.mjs - what the lessons claim: branches are a kernel, a mask is branches, training
// lowers the loss.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {stage} from './harness.mjs';
import {assertEqual} from './rows_page.mjs';
import {maskState} from './rows_mask.mjs';
import {until} from './visit.mjs';

const {visit: open} = stage();

test('lesson 1: branches and merged kernel agree for every preset and size', async () => {
    const visit = await open();
    for (const k of [1, 3, 5]) {
        await visit.press(`merge-kernel-${k}`);
        for (const preset of ['edge', 'blur', 'sharpen', 'random']) {
            const runs = await visit.countCalls('blockRun');
            await visit.set('merge-preset', preset);
            await visit.set('merge-s-0', -1.7);
            await visit.set('merge-u-0', 1.9);
            await until('it computes', async () => (await visit.countCalls('blockRun')) > runs);
            await assertEqual(visit);
            assert.equal(
                await visit.words('merge-result'),
                visit.t('merge.result', {verdict: visit.t('merge.equal')}),
            );
        }
    }
    await visit.close();
});

/** Lesson 2 with these settings, run to a step; every difference that its plot holds. */
async function maskRun(hash, last) {
    const visit = await open({hash});
    await visit.ready('mask');
    await visit.press('mask-run');
    let most = 0;
    const state = await until(`step ${last}`, async () => {
        const now = await maskState(visit);
        most = Math.max(most, now.difference);
        return now.step >= last && now;
    });
    const sentence = await visit.words('mask-result');
    await visit.close();
    return {...state, most, sentence};
}

test('lesson 2: with the mask the kernels stay equal', async () => {
    for (const hash of ['', 'mask-clip=masked', 'mask-nesterov=0&mask-kernel=5']) {
        const {most} = await maskRun(hash, 60);
        assert.ok(most > 0 && most < 1e-5, `${hash}: ${most}`);
    }
});

test('lesson 2: without the mask, or clipped by the plain norm, they part', async () => {
    for (const hash of ['mask-on=0', 'mask-clip=plain&mask-lr=-1.5&mask-clip-norm=0']) {
        const {difference} = await maskRun(hash, 60);
        assert.ok(difference > 1e-3, `${hash}: ${difference}`);
    }
});

/** Rows of the table of runs as {name: [cells]}. */
function tableRows(visit) {
    return visit.page
        .locator('#train-table tbody tr')
        .evaluateAll((rows) =>
            Object.fromEntries(
                rows
                    .map((row) => [...row.children].map((cell) => cell.textContent))
                    .map(([name, ...cells]) => [name, cells]),
            ),
        );
}

/** Short, and still long enough to learn: guesses by chance are right in 10 % of 500 pictures. */
const SHORT = 'train-width=4&train-epochs=4&train-lr=0.1';
const MODES = [
    ['search', 'hyper_search'],
    ['target', 'target'],
    ['normal', 'normal'],
];

test('lesson 3: search, RepOptimizer with its scales, plain SGD', async () => {
    const visit = await open({hash: SHORT});
    await visit.ready('train');
    const plot = () => visit.picture('#train-plot-loss canvas');
    for (const [id, mode] of MODES) {
        await visit.press(`train-mode-${id}`);
        const before = await plot();
        await visit.press('train-step');
        await visit.still();
        const first = (await visit.run()).loss;
        const {done, all, loss, accuracy} = await visit.train();
        assert.equal(done, all);
        assert.ok(loss < 0.95 * first, `${mode}: loss from ${first} to ${loss}`);
        assert.ok(accuracy > 14, `${mode}: ${accuracy} % right, ten classes`);
        assert.notEqual(await plot(), before, 'the curve has grown');
        const label = await visit.at('train-plot-loss').getAttribute('aria-label');
        assert.ok(label.includes(`${visit.t(`mode.${mode}`)} ${loss.toFixed(2)}`), label);
    }
    const table = await tableRows(visit);
    assert.deepEqual(
        Object.keys(table),
        MODES.map(([, mode]) => visit.t(`mode.${mode}`)),
    );
    await visit.close();
});

test('lesson 3: the same seed gives the same run, in another visit, too', async () => {
    const runs = [];
    for (const seed of [3, 3, 4]) {
        const visit = await open({
            hash: `train-width=4&train-count=1000&train-epochs=1&train-seed=${seed}`,
        });
        await visit.ready('train');
        await visit.trainOneStep();
        const {loss, accuracy} = await visit.train();
        runs.push([loss, accuracy, await visit.picture('train-kernel')]);
        await visit.close();
    }
    assert.deepEqual(runs[0], runs[1]);
    assert.notDeepEqual(runs[0], runs[2]);
});
