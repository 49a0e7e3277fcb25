// engines.test.mjs - the three engines: with threads, with SIMD, with neither.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {launch, serve} from './harness.mjs';
import {Visit} from './visit.mjs';

const HASH = 'train-width=4&train-count=1000&train-epochs=1';

/** Opens the page served and looked at with these arguments; what its engine says and computes. */
async function results({server = [], browser: flags = [], how = {}}) {
    const site = await serve(...server),
        browser = await launch(...flags);
    const visit = await Visit.open(browser, site.address, {hash: HASH, ...how});
    const status = await visit.words('engine-status');
    await visit.ready('mask');
    await visit.press('mask-step');
    await visit.ready('train');
    await visit.trainOneStep();
    const run = await visit.train();
    const kernel = await visit.picture('train-kernel');
    const number = await visit.words('merge-number');
    await visit.close();
    await browser.close();
    await site.stop();
    return {status, run, kernel, number, words: (key, values) => visit.t(key, values)};
}

let simd;

test('a plain server: SIMD, one thread', async () => {
    simd = await results({});
    assert.ok(simd.status.includes(simd.words('engine.simd')), simd.status);
    assert.ok(simd.status.includes(simd.words('engine.one')), simd.status);
});

test('a cross-origin isolated page computes with threads, and the same bits', async () => {
    const threads = await results({server: ['--isolate']});
    assert.ok(threads.status.includes(threads.words('engine.threads')), threads.status);
    assert.match(threads.status, /[2-4] threads/);
    assert.deepEqual(threads.run, simd.run, 'results do not depend on threads');
    assert.equal(threads.kernel, simd.kernel);
});

/** The page in a browser that knows no SIMD: the engine's own question is answered with no. */
async function withoutSimd(page) {
    await page.context().route('**/src/engine.js', async (route) => {
        const response = await route.fetch();
        await route.fulfill({
            response,
            body: `WebAssembly.validate = () => false;\n${await response.text()}`,
        });
    });
}

test('a browser without SIMD gets the scalar engine', async () => {
    const scalar = await results({how: {prepare: withoutSimd}});
    assert.ok(scalar.status.includes(scalar.words('engine.scalar')), scalar.status);
    assert.ok(
        Math.abs(scalar.run.loss - simd.run.loss) < 0.05,
        `loss ${scalar.run.loss}, with SIMD ${simd.run.loss}`,
    );
});
