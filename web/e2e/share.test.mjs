// share.test.mjs - a link brings every setting to another visitor.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {stage} from './harness.mjs';
import {until} from './visit.mjs';

const {visit: open} = stage();

/** Another value than it has for every setting of the page: {id or group: value}. */
function otherValues() {
    const values = {};
    for (const control of document.querySelectorAll('main input, main select')) {
        if (control.matches('[type="file"], [type="color"], [data-private], select:empty')) {
            continue;
        }
        if (control.type === 'radio') {
            if (!control.checked) {
                values[control.name] ??= control.id;
            }
        } else if (control.type === 'checkbox') {
            values[control.id] = !control.checked;
        } else if (control.tagName === 'SELECT') {
            values[control.id] = [...control.options].findLast(
                (option) => !option.selected && !option.disabled,
            ).value;
        } else {
            const step = Number(control.step) || 0.01;
            const next = Number(control.value) + step;
            const value = next > Number(control.max) ? next - 2 * step : next;
            values[control.id] = String(Number(value.toPrecision(6)));
        }
    }
    return values;
}

/** Sets one setting; false where it is switched off. */
async function setOne(visit, name, value) {
    const isGroup = (await visit.page.locator(`input[name="${name}"]`).count()) > 0;
    const control = visit.at(isGroup ? value : name);
    if (await control.isDisabled()) {
        return false;
    }
    await (isGroup
        ? control.check()
        : typeof value === 'boolean'
          ? control.setChecked(value)
          : visit.set(name, value));
    return true;
}

/** Sets all: groups last, and behind them what they have switched on. */
async function setAll(visit, values) {
    const isGroup = ([, value]) => /^(merge|mask|train)-.*[a-z0-9]$/.test(value);
    let rest = Object.entries(values).sort((a, b) => isGroup(a) - isGroup(b));
    for (let pass = 0; pass < 2; pass++) {
        const off = [];
        for (const [name, value] of rest) {
            if (!(await setOne(visit, name, value))) {
                off.push([name, value]);
            }
        }
        rest = off;
    }
}

/** What the page itself puts into its address. */
const settingsOf = (visit) =>
    visit.page.evaluate(async () => {
        const {readSettings} = await import(new URL('src/share.js', document.baseURI));
        return readSettings();
    });

test('the link holds every setting', async () => {
    const visit = await open({context: {permissions: ['clipboard-read', 'clipboard-write']}});
    await visit.ready('mask');
    await visit.ready('train');
    const before = await settingsOf(visit);
    await setAll(visit, await visit.page.evaluate(otherValues));
    const wanted = await settingsOf(visit);
    // The list of blocks is empty before there is a net.
    const same = Object.keys(wanted).filter(
        (key) => key !== 'train-block' && wanted[key] === before[key],
    );
    assert.deepEqual(same, [], 'every setting is another one now');
    await visit.press('share');
    await until('copied', async () => (await visit.words('share')) === visit.t('share.done'));
    const link = new URL(await visit.page.evaluate(() => navigator.clipboard.readText()));
    await visit.close();

    const other = await open({hash: link.hash.slice(1)});
    await other.ready('mask');
    await other.ready('train');
    assert.deepEqual(await settingsOf(other), wanted);
    const [made] = await other.lastCall('maskCreate');
    assert.equal(made.seed, Number(wanted['mask-seed']), 'the lessons begin with them');
    await other.close();
});

test('a link pasted into an open page works at once', async () => {
    const visit = await open();
    await visit.ready('mask');
    await visit.page.evaluate(() => {
        location.hash = '#mask-seed=77&merge-kernel=5&mask-on=0';
    });
    await until('lesson 2 has it', async () => (await visit.lastCall('maskCreate'))[0].seed === 77);
    assert.equal((await visit.lastCall('maskCreate'))[0].isMasked, false);
    assert.equal((await visit.lastCall('blockCreate'))[0].kernel, 5);
    await visit.close();
});

test('a broken link does no harm', async () => {
    const visit = await open({hash: 'train-lr=abc&mask-kernel=4&mask-lr=99&%E0%A4%A=1&nothing=2'});
    await visit.ready('train');
    assert.equal(await visit.value('train-lr'), '0.05');
    assert.equal(await visit.value('mask-kernel'), '3');
    assert.equal(await visit.value('mask-lr'), '-1', 'the nearest that there is');
    await visit.close();
});
