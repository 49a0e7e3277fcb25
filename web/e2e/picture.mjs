// picture.mjs - the README's picture of the page, docs/page.png: the training lesson, mid-training.
//
//     node e2e/picture.mjs        # after npm run build
import {statSync} from 'node:fs';
import {join} from 'node:path';
import {launch, root, serve} from './harness.mjs';
import {Visit, until} from './visit.mjs';

const MOST_BYTES = 400e3;
const path = join(root, 'docs/page.png');
const site = await serve(),
    browser = await launch();
const visit = await Visit.open(browser, site.address, {});
await visit.ready('train');
await visit.train();
await visit.press('train-mode-target');
await visit.press('train-start');
await until('half of the run', async () => {
    const {done, all} = await visit.run();
    const runs = await visit.page.locator('#train-table tbody tr').count();
    return runs === 2 && done >= 0.55 * all;
});
await visit.draw('try-pad', [
    [0.5, 0.15],
    [0.85, 0.8],
    [0.15, 0.8],
    [0.5, 0.15],
]);
await visit.ready('train');
await visit.page.screenshot({path});
await visit.close();
await browser.close();
await site.stop();
const {size} = statSync(path);
console.log(`docs/page.png: ${size} bytes`);
if (size > MOST_BYTES) {
    console.error(`above the limit of ${MOST_BYTES} bytes`);
    process.exit(1);
}
