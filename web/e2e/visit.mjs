// visit.mjs - one visitor: a page of a size, in a language and colours, and its complaints.
import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import {setTimeout as sleep} from 'node:timers/promises';
import {fill} from '../src/language.js';
import {text} from '../src/text.js';

/** A desktop's window and a telephone with a touch screen. */
export const SIZES = {
    desktop: {viewport: {width: 1280, height: 900}},
    phone: {
        viewport: {width: 390, height: 844},
        hasTouch: true,
        isMobile: true,
    },
};
const LOCALES = {en: 'en-GB', zh: 'zh-CN'};
const WAIT_MS = 60000;

/** Calls into the worker, noted before the page's own scripts run. */
function noteCalls() {
    globalThis.calls = [];
    const {postMessage} = Worker.prototype;
    Worker.prototype.postMessage = function post(message, ...rest) {
        globalThis.calls.push({method: message.method, args: message.args});
        return postMessage.call(this, message, ...rest);
    };
}

/** Waits until `ask` gives something true, and gives that back; fails with `what` after a while. */
export async function until(what, ask, limit = WAIT_MS) {
    const end = performance.now() + limit;
    for (;;) {
        const answer = await ask();
        if (answer) {
            return answer;
        }
        assert.ok(performance.now() < end, `still waiting after ${limit / 1000} s: ${what}`);
        await sleep(25);
    }
}

export class Visit {
    /**
     * Opens the page in a context of its own and waits until lesson 1 answers.
     * @param {import('playwright-core').Browser} browser
     * @param {string} address
     * @param {{size?: 'desktop'|'phone', language?: 'en'|'zh', theme?: 'light'|'dark',
     *          hash?: string, isReady?: boolean, context?: Object,
     *          prepare?: (page: import('playwright-core').Page) => Promise<void>}} how
     *     isReady: false to come back before anything has loaded; context: more of playwright's
     */
    static async open(
        browser,
        address,
        {
            size = 'desktop',
            language = 'en',
            theme = 'light',
            hash = '',
            isReady = true,
            context = {},
            prepare = async () => {},
        },
    ) {
        const visit = new Visit();
        visit.context = await browser.newContext({
            ...SIZES[size],
            locale: LOCALES[language],
            colorScheme: theme,
            reducedMotion: 'reduce',
            ...context,
        });
        Object.assign(visit, {language, size, address, complaints: [], isTouch: size === 'phone'});
        visit.page = await visit.context.newPage();
        visit.page.setDefaultTimeout(WAIT_MS);
        visit.listen();
        await visit.page.addInitScript(noteCalls);
        await prepare(visit.page);
        await visit.page.goto(address + (hash && `#${hash}`), {
            waitUntil: isReady ? 'load' : 'commit',
        });
        if (isReady) {
            await visit.ready('merge');
        }
        return visit;
    }

    /** Notes whatever a visitor's browser would complain of, and what asks another server. */
    listen() {
        const {page, context, complaints, address} = this;
        const {origin} = new URL(address);
        page.on('console', (message) => {
            if (['error', 'warning'].includes(message.type())) {
                complaints.push(
                    `console ${message.type()}: ${message.text()} ` + `(${message.location().url})`,
                );
            }
        });
        page.on('pageerror', (error) => complaints.push(`page error: ${error.message}`));
        page.on('crash', () => complaints.push('the page crashed'));
        context.on('request', (request) => {
            const url = request.url();
            if (!url.startsWith(origin) && !/^(blob|data):/.test(url)) {
                complaints.push(`request to ${url}`);
            }
        });
    }

    /** Ends the visit; fails where anything was complained of that is not in `expected`. */
    async close(expected = []) {
        await this.context.close();
        const rest = this.complaints.filter((line) => !expected.some((like) => like.test(line)));
        assert.deepEqual(rest, [], 'the console stays clean');
    }

    /** Waits until a lesson answers; brings lessons 2 and 3 near, whose code loads then. */
    async ready(lesson) {
        await this.at(lesson).evaluate((section) => section.scrollIntoView());
        await this.page.locator(`#${lesson}[data-ready]`).waitFor();
    }

    // ---- doing ----------------------------------------------------------------------------------

    at(id) {
        return this.page.locator(`[id="${id}"]`);
    }

    /** A click or a tap. Radio buttons and boxes lie under their labels and are pressed there. */
    async press(id) {
        await (this.isTouch ? this.at(id).tap() : this.at(id).click());
    }

    /** Sets a slider, a number, a colour or a list as a visitor does, and lets go of it. */
    async set(id, value) {
        const control = this.at(id);
        if (await control.evaluate((element) => element.tagName === 'SELECT')) {
            await control.selectOption(String(value));
            return;
        }
        await control.fill(String(value));
        await control.dispatchEvent('change');
    }

    /** Gives a file to a file button. */
    async upload(id, name, content) {
        const buffer = typeof content === 'string' ? Buffer.from(content) : Buffer.from(content);
        await this.at(id).setInputFiles({name, mimeType: 'application/octet-stream', buffer});
    }

    /** A stroke over a pad with mouse or finger, through points given as shares of its side. */
    async draw(id, points) {
        await this.at(id).scrollIntoViewIfNeeded();
        const box = await this.at(id).boundingBox();
        const places = points.map(([x, y]) => [box.x + x * box.width, box.y + y * box.height]);
        await (this.isTouch ? this.drawWithFinger(places) : this.drawWithMouse(places));
    }

    async drawWithMouse([first, ...others]) {
        const {mouse} = this.page;
        await mouse.move(...first);
        await mouse.down();
        for (const place of others) {
            await mouse.move(...place, {steps: 4});
        }
        await mouse.up();
    }

    /** A finger that stands still before it is lifted: one that flies off swallows the next tap. */
    async drawWithFinger(places) {
        this.devtools ??= await this.context.newCDPSession(this.page);
        const touch = (type, points) =>
            this.devtools.send('Input.dispatchTouchEvent', {
                type,
                touchPoints: points.map(([x, y]) => ({x, y})),
            });
        await touch('touchStart', [places[0]]);
        for (const place of places.slice(1)) {
            await touch('touchMove', [place]);
        }
        await sleep(150);
        await touch('touchMove', [places.at(-1)]);
        await touch('touchEnd', []);
    }

    // ---- seeing ---------------------------------------------------------------------------------

    /** What an element says. */
    async words(id) {
        return (await this.at(id).textContent()).trim();
    }

    /** What a control holds. */
    value(id) {
        return this.at(id).inputValue();
    }

    /** A sentence of the page in the visitor's language. */
    t(key, values = {}) {
        return fill(text[key][this.language === 'zh' ? 1 : 0], values);
    }

    /** The pixels of a canvas as a short text that differs wherever they do. */
    async picture(id) {
        const canvas = id.startsWith('#') ? this.page.locator(id) : this.at(id);
        const url = await canvas.evaluate((element) => element.toDataURL());
        return createHash('sha256').update(url).digest('hex').slice(0, 16);
    }

    /** Red, green, blue and opacity of one pixel of a canvas, its place given as shares. */
    pixel(id, x, y) {
        return this.at(id).evaluate(
            (canvas, [left, top]) => {
                const context = new OffscreenCanvas(1, 1).getContext('2d');
                context.drawImage(
                    canvas,
                    -Math.floor(left * canvas.width),
                    -Math.floor(top * canvas.height),
                );
                return [...context.getImageData(0, 0, 1, 1).data];
            },
            [x, y],
        );
    }

    /** The arguments of the newest call of a method of the engine. */
    async lastCall(method) {
        return this.page.evaluate((name) => {
            const last = globalThis.calls.filter((call) => call.method === name).at(-1);
            const short = (value) => (ArrayBuffer.isView(value) ? [...value.slice(0, 16)] : value);
            return last?.args.map((arg) =>
                arg && arg.constructor === Object
                    ? Object.fromEntries(Object.entries(arg).map(([k, v]) => [k, short(v)]))
                    : short(arg),
            );
        }, method);
    }

    /** How often a method of the engine was called. */
    countCalls(method) {
        return this.page.evaluate(
            (name) => globalThis.calls.filter((call) => call.method === name).length,
            method,
        );
    }

    // ---- lesson 3 -------------------------------------------------------------------------------

    /** Steps made and wanted, loss and accuracy of the table's newest run. */
    async run() {
        const cells = await this.page
            .locator('#train-table tbody tr:last-child td')
            .allTextContents();
        const [done, all] = cells.length > 1 ? cells[0].split('/').map(digits) : [0, 0];
        return {
            done,
            all,
            loss: Number(cells[1]),
            accuracy: parseFloat(cells[2]),
            parameters: digits(cells[4] ?? ''),
        };
    }

    /** Waits until the trainer rests and every panel is drawn. */
    async still() {
        await until('the trainer rests', () =>
            this.page.evaluate(() => document.getElementById('train').dataset.busy === undefined),
        );
    }

    /** Trains from the start button to the end. */
    async train() {
        await this.press('train-start');
        await this.still();
        return this.run();
    }

    /** A new trainer of the settings and one step with it. */
    async trainOneStep() {
        await this.press('train-reset');
        await this.still();
        await this.press('train-step');
        await this.still();
        return this.run();
    }
}

const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹';

/** The first number of a sentence as the page writes small ones, 2.4 × 10⁻⁷; 0 and ∞ too. */
export function number(words) {
    const found = /([\d.]+)\s×\s10(⁻?)([⁰¹²³⁴⁵⁶⁷⁸⁹]+)/.exec(words);
    if (!found) {
        return words.includes('∞') ? Infinity : Number(/[\d.]*\d/.exec(words)?.[0]);
    }
    const exponent = [...found[3]].map((digit) => SUPERSCRIPTS.indexOf(digit)).join('');
    return Number(`${found[1]}e${found[2] ? '-' : ''}${exponent}`);
}

/** A whole number as the page writes it, with or without separators. */
function digits(words) {
    return Number(words.replace(/\D/g, ''));
}
