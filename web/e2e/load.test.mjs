// load.test.mjs - how the page comes: what first, without jumps, and without a network later on.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {launch, serve} from './harness.mjs';
import {Visit, until} from './visit.mjs';

/** Notes shifts of the layout, and when things first stand on the page. */
function noteLoad() {
    globalThis.load = {shift: 0, shifts: [], at: {}};
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) {
            if (!entry.hadRecentInput) {
                globalThis.load.shift += entry.value;
                const names = entry.sources.map(({node}) => node?.id || node?.className || node);
                globalThis.load.shifts.push(`${entry.value.toFixed(4)} ${names}`);
            }
        }
    }).observe({type: 'layout-shift', buffered: true});
    const look = () => {
        const {at} = globalThis.load,
            now = performance.now();
        const seen = {
            words: document.querySelector('h1')?.textContent,
            input: document.getElementById('merge-view-input')?.width === 128,
            engine: document.querySelector('#engine-status.is-ready'),
            picture: document.getElementById('merge')?.dataset.ready,
        };
        for (const [name, is] of Object.entries(seen)) {
            if (is) {
                at[name] ??= now;
            }
        }
        requestAnimationFrame(look);
    };
    look();
}

/** A visit in a browser of its own, so that nothing is kept from before. */
async function cold(site, how) {
    const browser = await launch();
    const visit = await Visit.open(browser, site.address, {
        ...how,
        prepare: (page) => page.addInitScript(noteLoad),
    });
    return {browser, visit};
}

test('lesson 1 shows its picture before anything else loads, and nothing moves', async (t) => {
    const site = await serve();
    for (const [size, language, theme] of [
        ['desktop', 'en', 'light'],
        ['phone', 'zh', 'dark'],
    ]) {
        const {browser, visit} = await cold(site, {size, language, theme});
        await until('the first picture', () =>
            visit.page.evaluate(() => globalThis.load.at.picture),
        );
        const {at, shift, shifts} = await visit.page.evaluate(() => globalThis.load);
        t.diagnostic(
            `${size}: words after ${at.words.toFixed(0)} ms, picture going in ` +
                `${at.input.toFixed(0)} ms, engine ${at.engine.toFixed(0)} ms, lesson 1 ` +
                `${at.picture.toFixed(0)} ms; layout shift ${shift.toFixed(4)}`,
        );
        assert.ok(
            at.words <= at.input && at.input <= at.engine && at.engine <= at.picture,
            JSON.stringify(at),
        );
        const later = await visit.page.evaluate(() =>
            performance
                .getEntriesByType('resource')
                .filter(({name}) => /(mask|train)_lesson\.js$/.test(name))
                .map(({name, startTime}) => ({name, startTime})),
        );
        for (const {name, startTime} of later) {
            assert.ok(startTime >= at.engine, `${name} came before lesson 1`);
        }
        assert.ok(shift < 0.01, `layout shift ${shift}: ${shifts.join(', ')}`);
        await visit.close();
        await browser.close();
    }
    await site.stop();
});

test('after one visit the page works without a network', async () => {
    const site = await serve('--below', '/some/where');
    const {browser, visit} = await cold(site, {});
    await until(
        'everything is kept',
        async () => (await visit.words('offline-note')) === visit.t('page.offline'),
    );
    await site.stop();
    await visit.page.reload();
    for (const lesson of ['merge', 'mask', 'train']) {
        await visit.ready(lesson);
    }
    assert.equal((await visit.trainOneStep()).done, 1);
    await visit.close();
    await browser.close();
});
