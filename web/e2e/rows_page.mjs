// rows_page.mjs - what each control of the head and of lesson 1 does, a row each.
//
// A row does something with its control and looks at what came of it; it leaves the page as it
// found it. Rows run in their order in one visit.
import assert from 'node:assert/strict';
import {Buffer} from 'node:buffer';
import {number, until} from './visit.mjs';

/** Does something that changes a canvas, and waits until it has. */
export async function changes(visit, canvas, action) {
    const before = await visit.picture(canvas);
    await action();
    await until(`${canvas} changes`, async () => (await visit.picture(canvas)) !== before);
}

// ---- head ---------------------------------------------------------------------------------------

function jump(section, how) {
    return async (visit) => {
        const address = visit.page.url();
        await how(visit);
        await until(`focus is in ${section}`, () =>
            visit.page.evaluate((id) => document.activeElement.id === id, section),
        );
        assert.equal(visit.page.url(), address, 'the address keeps the settings');
        const {y} = await visit.at(section).boundingBox();
        assert.ok(y < 200, `the lesson's head is in view: ${y}`);
    };
}

const pressJump = (section) =>
    jump(section, async (visit) => {
        const link = visit.page.locator(`nav a[href="#${section}"]`);
        await (visit.isTouch ? link.tap() : link.click());
    });

/** A link to a file of the page: it is there, and it is about this. */
const document = (href) => async (visit) => {
    const words = await visit.page.evaluate(async (path) => (await fetch(path)).text(), href);
    assert.match(words, /RepOptimizer/);
};

async function language(visit) {
    const {language: own} = visit,
        other = own === 'en' ? 'zh' : 'en';
    for (const [name, code] of [[other, {en: 'en', zh: 'zh-Hans'}[other]], [own]]) {
        await visit.set('language', name);
        visit.language = name;
        assert.equal(await visit.words('merge-title'), `1 ${visit.t('merge.title')}`);
        assert.equal(await visit.page.title(), visit.t('page.title'));
        if (code) {
            assert.equal(await visit.page.evaluate(() => document.documentElement.lang), code);
        }
    }
}

async function theme(visit) {
    const look = () =>
        visit.page.evaluate(() => [
            document.documentElement.dataset.theme,
            getComputedStyle(document.body).backgroundColor,
        ]);
    const [start] = await look();
    await visit.set('theme', 'dark');
    const dark = await look();
    await visit.set('theme', 'light');
    const light = await look();
    assert.deepEqual([dark[0], light[0]], ['dark', 'light']);
    assert.notEqual(dark[1], light[1]);
    await visit.set('theme', 'auto');
    assert.equal((await look())[0], start, 'the system decides again');
}

async function share(visit) {
    await visit.press('share');
    await until('it says so', async () => (await visit.words('share')) === visit.t('share.done'));
    const copied = await visit.page.evaluate(() => navigator.clipboard.readText());
    assert.equal(copied, visit.page.url());
    await until(
        'the button is as before',
        async () => (await visit.words('share')) === visit.t('share.button'),
    );
}

// ---- lesson 1 -----------------------------------------------------------------------------------

/** A picture file of one colour and a bright disc, made by the browser. */
export async function pictureFile(visit) {
    const bytes = await visit.page.evaluate(async () => {
        const canvas = new OffscreenCanvas(300, 200),
            context = canvas.getContext('2d');
        context.fillStyle = '#204060';
        context.fillRect(0, 0, 300, 200);
        context.fillStyle = '#f0d040';
        context.arc(150, 100, 60, 0, 7);
        context.fill();
        return [...new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer())];
    });
    return Buffer.from(bytes);
}

export async function assertEqual(visit) {
    const difference = number(await visit.words('merge-number'));
    assert.ok(difference < 1e-5, `branches and merged kernel differ by ${difference}`);
}

async function file(visit) {
    const content = await pictureFile(visit);
    await changes(visit, 'merge-view-merged', () =>
        visit.upload('merge-file', 'disc.png', content),
    );
    await assertEqual(visit);
}

async function builtin(visit) {
    await changes(visit, 'merge-view-merged', () => visit.press('merge-builtin'));
    await assertEqual(visit);
}

/** Opens the camera's dialog and leaves it by one of its buttons. */
async function camera(visit, button) {
    await visit.press('merge-camera');
    await until('the camera shows something', () =>
        visit.page.evaluate(() => document.getElementById('camera-video').videoWidth > 0),
    );
    await visit.press(button);
    await until('the dialog is gone', () =>
        visit.page.evaluate(() => !document.getElementById('camera').open),
    );
    // Its close event, which turns the camera off, comes after that.
    await until('the camera is off', () =>
        visit.page.evaluate(() => document.getElementById('camera-video').srcObject === null),
    );
}

async function cameraTake(visit) {
    await changes(visit, 'merge-view-merged', () => camera(visit, 'camera-take'));
    await assertEqual(visit);
    await changes(visit, 'merge-view-merged', () => visit.press('merge-builtin'));
}

async function cameraCancel(visit) {
    const before = await visit.picture('merge-view-input');
    await camera(visit, 'camera-cancel');
    assert.equal(await visit.picture('merge-view-input'), before);
}

const kernel = (k) => async (visit) => {
    for (const side of k === 3 ? [5, 3] : [k]) {
        await changes(visit, 'merge-heat-merged', () => visit.press(`merge-kernel-${side}`));
    }
    assert.equal((await visit.lastCall('blockCreate'))[0].kernel, k);
    assert.match(
        await visit.at('merge-heat-merged').getAttribute('aria-label'),
        new RegExp(`${k} × ${k}`),
    );
    const note = await visit.words('merge-preset-note');
    assert.equal(note, k === 1 ? visit.t('preset.one') : '');
    await assertEqual(visit);
    if (k !== 3) {
        await changes(visit, 'merge-heat-merged', () => visit.press('merge-kernel-3'));
    }
};

async function preset(visit) {
    const seen = new Set();
    for (const [name, s] of [
        ['edge', 2],
        ['blur', 1],
        ['random', 1],
        ['sharpen', 1.5],
    ]) {
        await changes(visit, 'merge-view-merged', () => visit.set('merge-preset', name));
        assert.equal(Number(await visit.value('merge-s-0')), s, name);
        await assertEqual(visit);
        seen.add(await visit.picture('merge-view-merged'));
    }
    assert.equal(seen.size, 4);
}

async function seed(visit) {
    const pictures = [];
    for (const value of [7, 8, 7]) {
        await changes(visit, 'merge-view-merged', () => visit.set('merge-seed', value));
        assert.equal((await visit.lastCall('blockCreate'))[0].seed, value);
        pictures.push(await visit.picture('merge-heat-merged'));
    }
    assert.equal(await visit.value('merge-preset'), 'random');
    assert.equal(pictures[0], pictures[2], 'the same seed, the same kernels');
    assert.notEqual(pictures[0], pictures[1]);
    await changes(visit, 'merge-view-merged', () => visit.set('merge-seed', 1));
    await changes(visit, 'merge-view-merged', () => visit.set('merge-preset', 'sharpen'));
}

const slider = (scale, channel) => async (visit) => {
    const id = `merge-${scale}-${channel}`,
        before = await visit.value(id);
    await visit.at('merge-link').uncheck();
    await changes(visit, 'merge-view-merged', () => visit.set(id, -0.35));
    const scales = (await visit.lastCall('blockScales'))[1];
    for (const letter of ['s', 't', 'u']) {
        scales[letter].forEach((value, c) => {
            const isMoved = letter === scale && c === channel;
            assert.equal(Math.abs(value + 0.35) < 1e-6, isMoved, `${letter}${c} is ${value}`);
        });
    }
    assert.equal(
        await visit.at(id).evaluate((input) => input.previousElementSibling.value),
        '−0.35',
    );
    await assertEqual(visit);
    await changes(visit, 'merge-view-merged', () => visit.set(id, before));
    await visit.at('merge-link').check();
};

async function link(visit) {
    const values = () => Promise.all([0, 1, 2].map((c) => visit.value(`merge-s-${c}`)));
    await visit.press('merge-link');
    await visit.set('merge-s-0', 0.25);
    assert.deepEqual(await values(), ['0.25', '1.5', '1.5']);
    await visit.press('merge-link');
    await visit.set('merge-s-0', 0.3);
    assert.deepEqual(await values(), ['0.3', '0.3', '0.3']);
    await changes(visit, 'merge-view-merged', () => visit.press('merge-reset'));
}

async function reset(visit) {
    const before = await visit.picture('merge-view-merged');
    await changes(visit, 'merge-view-merged', () => visit.set('merge-u-1', 2));
    await changes(visit, 'merge-view-merged', () => visit.press('merge-reset'));
    assert.equal(Number(await visit.value('merge-u-1')), 0.75);
    assert.equal(await visit.picture('merge-view-merged'), before);
}

const sliders = ['s', 't', 'u'].flatMap((scale) =>
    [0, 1, 2].map((channel) => [`merge-${scale}-${channel}`, slider(scale, channel)]),
);

export const pageRows = {
    skip: jump('merge', async (visit) => {
        await visit.page.locator('.skip').focus();
        await visit.page.keyboard.press('Enter');
    }),
    'link #merge': pressJump('merge'),
    'link #mask': pressJump('mask'),
    'link #train': pressJump('train'),
    'link https://arxiv.org/abs/2205.15242': async (visit) => {
        await visit.page.locator('.links a').first().waitFor();
    },
    'link docs/method.txt': document('docs/method.txt'),
    'link docs/readme.txt': document('docs/readme.txt'),
    language,
    theme,
    share,
};

export const mergeRows = {
    'merge-file': file,
    'merge-builtin': builtin,
    'merge-camera': cameraCancel,
    'camera-take': cameraTake,
    'camera-cancel': cameraCancel,
    'merge-kernel-1': kernel(1),
    'merge-kernel-3': kernel(3),
    'merge-kernel-5': kernel(5),
    'merge-preset': preset,
    'merge-seed': seed,
    ...Object.fromEntries(sliders),
    'merge-link': link,
    'merge-reset': reset,
};
