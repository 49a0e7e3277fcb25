// controls.test.mjs - every control does what it says: with a mouse, and with a finger in Chinese.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {stage} from './harness.mjs';
import {maskRows} from './rows_mask.mjs';
import {mergeRows, pageRows} from './rows_page.mjs';
import {trainRows} from './rows_train.mjs';

const rows = {...pageRows, ...mergeRows, ...maskRows, ...trainRows};
const {visit: open} = stage({
    browser: ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
});
const PERMISSIONS = ['camera', 'clipboard-read', 'clipboard-write'];
/** A net small enough to train in a moment. */
const SMALL = 'train-width=4&train-count=1000&train-epochs=1';

/** Everything of the page that takes the focus or a press, hidden or not, by the rows' names. */
function listControls() {
    const all = document.querySelectorAll(
        'a[href], button, input, select, textarea, summary, [tabindex]:not([tabindex="-1"])',
    );
    return [...all].map((control) => {
        if (control.className === 'skip') {
            return 'skip';
        }
        return (
            control.id ||
            (control.href
                ? `link ${control.getAttribute('href')}`
                : `region ${control.dataset.label}`)
        );
    });
}

for (const [size, language, theme] of [
    ['desktop', 'en', 'light'],
    ['phone', 'zh', 'dark'],
]) {
    test(`controls on a ${size}`, async (t) => {
        const visit = await open({
            size,
            language,
            theme,
            hash: SMALL,
            context: {permissions: PERMISSIONS},
        });
        await visit.ready('mask');
        await visit.ready('train');
        for (const [name, row] of Object.entries(rows)) {
            await t.test(name, () => row(visit));
        }
        await t.test('each has its row', async () => {
            const names = await visit.page.evaluate(listControls);
            assert.deepEqual([...new Set(names)].sort(), Object.keys(rows).sort());
        });
        await visit.close();
    });
}
