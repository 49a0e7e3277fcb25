// looks.test.mjs - every size, language and theme: axe's rules, nothing cut off, and a picture.
//
// The pictures go to build/web/screenshots, for people to look at.
import assert from 'node:assert/strict';
import {mkdirSync, readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {join} from 'node:path';
import {test} from 'node:test';
import {root, stage} from './harness.mjs';
import {maskState} from './rows_mask.mjs';
import {SIZES, until} from './visit.mjs';

const {visit: open} = stage();
const folder = join(root, 'build/web/screenshots');
mkdirSync(folder, {recursive: true});
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds serious or critical, a line each. */
async function faults(visit) {
    await visit.page.evaluate(axe);
    const found = await visit.page.evaluate(() => globalThis.axe.run());
    return found.violations
        .filter(({impact}) => ['serious', 'critical'].includes(impact))
        .flatMap(({id, nodes}) =>
            nodes.map(
                (node) => `${id}: ${node.target} ${node.failureSummary.replaceAll('\n', ' ')}`,
            ),
        );
}

/** Elements whose words or pictures stick out of the page or of themselves. */
function cutOff() {
    const wide = document.documentElement.clientWidth;
    const shown = [...document.querySelectorAll('body *')].filter(
        (element) =>
            element.checkVisibility() && !element.closest('.visually-hidden, .skip, .scroll, svg'),
    );
    const outside = shown.filter((element) => {
        const {left, right} = element.getBoundingClientRect();
        return right > wide + 1 || left < -1;
    });
    const tight = shown.filter(
        (element) =>
            element.matches('button, .button, .segments span, select') &&
            element.scrollWidth > element.clientWidth + 1,
    );
    return [...outside, ...tight].map(({id, className, tagName, textContent}) =>
        [id || className || tagName, textContent.slice(0, 30)].join(': '),
    );
}

/** Something of every lesson in sight: curves, a trained net, a guess. */
async function fill(visit) {
    await visit.ready('mask');
    await visit.press('mask-run');
    await until('30 steps', async () => (await maskState(visit)).step >= 30);
    await visit.press('mask-run');
    await visit.ready('train');
    await visit.train();
    await visit.draw('try-pad', [
        [0.2, 0.2],
        [0.8, 0.2],
        [0.5, 0.8],
        [0.2, 0.2],
    ]);
    await until('a guess', async () => (await visit.words('try-result')) !== '');
}

async function check(size, language, theme) {
    const visit = await open({
        size,
        language,
        theme,
        hash: 'train-width=4&train-count=1000&train-epochs=3',
    });
    await fill(visit);
    assert.deepEqual(await visit.page.evaluate(cutOff), []);
    assert.deepEqual(await faults(visit), []);
    await visit.page.evaluate(() => scrollTo(0, 0));
    const path = join(folder, `${size}-${language}-${theme}.png`);
    await visit.page.screenshot({path, fullPage: true, scale: 'css'});
    await visit.press('train-data-digits');
    await visit.press('digits-add');
    await visit.set('train-lr', 5);
    assert.deepEqual(await visit.page.evaluate(cutOff), [], 'with the digits and a fault in sight');
    assert.deepEqual(await faults(visit), [], 'with the digits and a fault in sight');
    await visit.close();
}

for (const size of Object.keys(SIZES)) {
    for (const language of ['en', 'zh']) {
        for (const theme of ['light', 'dark']) {
            test(`looks: ${size}, ${language}, ${theme}`, () => check(size, language, theme));
        }
    }
}

test('where the pictures are', (t) => {
    t.diagnostic(`pictures of the page: ${folder}`);
});
