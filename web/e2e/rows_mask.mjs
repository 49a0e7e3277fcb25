// rows_mask.mjs - what each control of lesson 2 does, a row each; see rows_page.mjs.
import assert from 'node:assert/strict';
import {setTimeout as sleep} from 'node:timers/promises';
import {number, until} from './visit.mjs';

/** The step that lesson 2 stands at, and the largest difference between its kernels. */
export async function maskState(visit) {
    const label = await visit.at('mask-plot').getAttribute('aria-label');
    const count = await visit.words('mask-count');
    const numbers = count.match(/\d[\d.\u2009]*/g) ?? [];
    const [step, loss, twin] = numbers.map((words) => Number(words.replace(/\u2009/g, '')));
    return {
        step: step ?? 0,
        loss,
        twin,
        difference: number(label),
        kernel: await visit.picture('mask-heat-kernel'),
    };
}

/** Steps by the button, one after the other; the state behind them. */
export async function maskSteps(visit, count) {
    for (let i = 0; i < count; i++) {
        const {step} = await maskState(visit);
        await visit.press('mask-step');
        await until(`step ${step + 1}`, async () => (await maskState(visit)).step === step + 1);
    }
    return maskState(visit);
}

async function fresh(visit) {
    await until('new nets', async () => (await visit.words('mask-count')) === '');
}

async function startAgain(visit) {
    await visit.press('mask-reset');
    await fresh(visit);
}

/** A setting reaches the engine, changes the kernel, and changed back gives the same bits again. */
function setting(id, value, back, [key, wanted], before = {}) {
    return async (visit) => {
        for (const [other, other_value] of Object.entries(before)) {
            await visit.set(other, other_value);
        }
        await startAgain(visit);
        const usual = await maskSteps(visit, 2);
        await visit.set(id, value);
        await fresh(visit);
        assert.equal((await visit.lastCall('maskCreate'))[0][key], wanted);
        const other = await maskSteps(visit, 2);
        assert.notEqual(other.kernel, usual.kernel, `${id} changes the kernel`);
        await visit.set(id, back);
        await fresh(visit);
        assert.deepEqual(await maskSteps(visit, 2), usual, 'the same settings, the same numbers');
    };
}

async function sgd(visit) {
    await visit.press('mask-optimizer-adamw');
    await visit.press('mask-optimizer-sgd');
    await fresh(visit);
    assert.equal((await visit.lastCall('maskCreate'))[0].optimizer, 'sgd');
    assert.ok(await visit.at('mask-momentum').isEnabled());
    assert.ok((await maskSteps(visit, 3)).difference < 1e-5);
}

async function adamw(visit) {
    await visit.press('mask-optimizer-adamw');
    await fresh(visit);
    assert.equal((await visit.lastCall('maskCreate'))[0].optimizer, 'adamw');
    assert.ok(await visit.at('mask-momentum').isDisabled());
    assert.ok(await visit.at('mask-nesterov').isDisabled());
    assert.equal(await visit.words('mask-momentum-why'), visit.t('mask.no.momentum'));
    assert.ok((await maskSteps(visit, 3)).step === 3);
    await visit.press('mask-optimizer-sgd');
    await fresh(visit);
}

async function nesterov(visit) {
    await startAgain(visit);
    const usual = await maskSteps(visit, 2);
    await visit.press('mask-nesterov');
    await fresh(visit);
    assert.equal((await visit.lastCall('maskCreate'))[0].nesterov, false);
    assert.notEqual((await maskSteps(visit, 2)).kernel, usual.kernel);
    await visit.press('mask-nesterov');
    await fresh(visit);
}

async function mask(visit) {
    await visit.press('mask-on');
    await fresh(visit);
    assert.equal((await visit.lastCall('maskCreate'))[0].isMasked, false);
    assert.ok(await visit.page.locator('#mask-clip [value="masked"]').isDisabled());
    const apart = (await maskSteps(visit, 3)).difference;
    assert.ok(apart > 1e-3, `without the mask: ${apart}`);
    await visit.press('mask-on');
    await fresh(visit);
    const together = (await maskSteps(visit, 3)).difference;
    assert.ok(together < 1e-5, `with the mask: ${together}`);
}

async function clip(visit) {
    assert.ok(await visit.at('mask-clip-norm').isDisabled());
    await visit.set('mask-lr', -1);
    for (const [value, isEqual] of [
        ['plain', false],
        ['masked', true],
    ]) {
        await visit.set('mask-clip', value);
        await fresh(visit);
        assert.equal((await visit.lastCall('maskCreate'))[0].clip, value);
        assert.ok(await visit.at('mask-clip-norm').isEnabled());
        const {difference} = await maskSteps(visit, 4);
        assert.equal(difference < 1e-5, isEqual, `${value}: ${difference}`);
    }
    await visit.set('mask-clip', 'none');
    await visit.set('mask-lr', -2);
    await fresh(visit);
}

async function clipNorm(visit) {
    await setting('mask-clip-norm', -1, -0.3, ['clipNorm', 0.1], {'mask-clip': 'masked'})(visit);
    await visit.set('mask-clip', 'none');
    await fresh(visit);
}

async function run(visit) {
    await startAgain(visit);
    await visit.press('mask-run');
    assert.equal(await visit.words('mask-run'), visit.t('word.pause'));
    await until('ten steps', async () => (await maskState(visit)).step >= 10);
    await visit.press('mask-run');
    assert.equal(await visit.words('mask-run'), visit.t('word.run'));
    await sleep(300);
    const {step} = await maskState(visit);
    await sleep(300);
    assert.equal((await maskState(visit)).step, step, 'a pause is a pause');
    await visit.press('mask-run');
    await until('it goes on', async () => (await maskState(visit)).step > step);
    await visit.press('mask-step');
    assert.equal(await visit.words('mask-run'), visit.t('word.run'), 'a single step stops it');
}

async function step(visit) {
    await startAgain(visit);
    assert.equal((await maskSteps(visit, 1)).step, 1);
    await sleep(200);
    assert.equal((await maskState(visit)).step, 1);
}

async function reset(visit) {
    await startAgain(visit);
    const first = await maskSteps(visit, 3);
    await startAgain(visit);
    assert.equal(await visit.words('mask-result'), visit.t('mask.before'));
    assert.deepEqual(await maskSteps(visit, 3), first, 'the same seed, the same numbers');
}

async function forget(visit) {
    const curves = () => visit.page.locator('#mask-keys li').count();
    await visit.press('mask-on');
    await fresh(visit);
    await maskSteps(visit, 1);
    await visit.press('mask-on');
    await fresh(visit);
    await maskSteps(visit, 1);
    assert.ok((await curves()) > 1);
    await visit.press('mask-forget');
    assert.equal(await curves(), 1);
}

export const maskRows = {
    'mask-run': run,
    'mask-step': step,
    'mask-reset': reset,
    'mask-optimizer-sgd': sgd,
    'mask-optimizer-adamw': adamw,
    'mask-nesterov': nesterov,
    'mask-momentum': setting('mask-momentum', 0.5, 0.9, ['momentum', 0.5]),
    'mask-lr': setting('mask-lr', -1.5, -2, ['lr', 0.0316]),
    'mask-decay': setting('mask-decay', 0.2, 0.05, ['decay', 0.2]),
    'mask-on': mask,
    'mask-clip': clip,
    'mask-clip-norm': clipNorm,
    'mask-kernel': setting('mask-kernel', 5, 3, ['kernel', 5]),
    'mask-channels': setting('mask-channels', 8, 4, ['channels', 8]),
    'mask-seed': setting('mask-seed', 9, 1, ['seed', 9]),
    'mask-forget': forget,
};
