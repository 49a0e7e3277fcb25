// access.test.mjs - the page without a mouse: the keyboard alone, and what has the focus.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {stage} from './harness.mjs';
import {maskState} from './rows_mask.mjs';
import {until} from './visit.mjs';

const {visit: open} = stage();

/** The element with the focus: its id, and whether one can see that it has it. */
function focused() {
    const element = document.activeElement;
    const shown = [element, element.nextElementSibling, element.closest('label')]
        .filter((part) => part)
        .some((part) => {
            const {outlineStyle, outlineWidth} = getComputedStyle(part);
            return outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2;
        });
    return {id: element.id || element.className || element.getAttribute('href'), shown};
}

async function tabTo(visit, id) {
    for (let i = 0; i < 120; i++) {
        await visit.page.keyboard.press('Tab');
        const now = await visit.page.evaluate(focused);
        assert.ok(now.shown, `the focus on ${now.id} can be seen`);
        if (now.id === id) {
            return;
        }
    }
    assert.fail(`the Tab key does not come to ${id}`);
}

test('lesson 2 by keyboard alone', async () => {
    const visit = await open();
    await visit.ready('mask');
    const {keyboard} = visit.page;
    await visit.page.evaluate(() => scrollTo(0, 0));
    await tabTo(visit, 'mask-optimizer-sgd');
    await keyboard.press('ArrowRight');
    assert.ok(await visit.at('mask-optimizer-adamw').isChecked());
    await keyboard.press('ArrowLeft');
    await tabTo(visit, 'mask-lr');
    const lr = await visit.value('mask-lr');
    await keyboard.press('ArrowRight');
    assert.notEqual(await visit.value('mask-lr'), lr);
    await tabTo(visit, 'mask-clip');
    await keyboard.press('ArrowDown');
    await until('clipping is on', async () => (await visit.value('mask-clip')) === 'masked');
    await tabTo(visit, 'mask-step');
    await keyboard.press('Enter');
    await until('one step', async () => (await maskState(visit)).step === 1);
    assert.ok((await maskState(visit)).difference < 1e-5);
    await keyboard.press('Shift+Tab');
    assert.equal((await visit.page.evaluate(focused)).id, 'mask-run');
    await keyboard.press('Space');
    await until('it runs', async () => (await maskState(visit)).step > 5);
    await keyboard.press('Space');
    for (let i = 0; i < 40 && (await visit.page.evaluate(focused)).id !== 'mask-on'; i++) {
        await keyboard.press('Shift+Tab');
    }
    await keyboard.press('Space');
    assert.equal(await visit.at('mask-on').isChecked(), false);
    await tabTo(visit, 'mask-run');
    await keyboard.press('Enter');
    await until('the kernels part', async () => (await maskState(visit)).difference > 1e-3);
    await keyboard.press('Enter');
    await tabTo(visit, 'mask-reset');
    await keyboard.press('Enter');
    await until('new nets', async () => (await visit.words('mask-count')) === '');
    await visit.close();
});

test('Tab comes to every control that is not hidden or switched off, and shows it', async () => {
    const visit = await open();
    await visit.ready('mask');
    await visit.ready('train');
    const wanted = await visit.page.evaluate(() => {
        scrollTo(0, 0);
        document.activeElement.blur();
        const groups = new Set();
        return [...document.querySelectorAll('main button, main input, main select, main canvas')]
            .filter(
                (control) =>
                    !control.disabled &&
                    control.tabIndex >= 0 &&
                    control.checkVisibility() &&
                    (control.type !== 'radio' || control.checked),
            )
            .filter(({name}) => !name || (!groups.has(name) && groups.add(name)))
            .map((control) => control.id);
    });
    const seen = [];
    for (let i = 0; i < 150 && seen.at(-1) !== wanted.at(-1); i++) {
        await visit.page.keyboard.press('Tab');
        const now = await visit.page.evaluate(focused);
        assert.ok(now.shown, `the focus on ${now.id} can be seen`);
        seen.push(now.id);
    }
    assert.deepEqual(
        wanted.filter((id) => !seen.includes(id)),
        [],
    );
    await visit.close();
});
