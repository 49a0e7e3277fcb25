// harness.mjs - what every end-to-end test begins with: the served page and a browser.
//
// Both belong to one test file and go with it. The browser is Debian's chromium or what
// REPOPT_BROWSER names; it can reach nothing but this machine.
import {spawn} from 'node:child_process';
import {existsSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {after, before} from 'node:test';
import {fileURLToPath} from 'node:url';
import {chromium} from 'playwright-core';
import {Visit} from './visit.mjs';

const here = dirname(fileURLToPath(import.meta.url));
export const root = join(here, '../..');
const ARGUMENTS = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
];

/**
 * Serves the built page on a free port.
 * @param {...string} options of serve.mjs
 * @returns {Promise<{address: string, stop: () => Promise<void>}>}
 */
export async function serve(...options) {
    if (!existsSync(join(root, 'build/web/page/index.html'))) {
        throw new Error('build/web/page is missing: npm run build comes first');
    }
    const server = spawn(
        process.execPath,
        [join(here, '../serve.mjs'), '--port', '0', ...options],
        {
            stdio: ['ignore', 'pipe', 'inherit'],
        },
    );
    const ended = new Promise((resolve) => server.once('exit', resolve));
    const address = await new Promise((resolve, reject) => {
        server.stdout.once('data', (line) => resolve(String(line).trim()));
        server.once('error', reject);
        void ended.then((code) => reject(new Error(`serve.mjs ended with ${code}`)));
    });
    return {
        address,
        async stop() {
            server.kill();
            await ended;
        },
    };
}

/** A browser with a profile of its own that nothing has been kept in. */
export function launch(...more) {
    return chromium.launch({
        executablePath: process.env.REPOPT_BROWSER ?? '/usr/bin/chromium',
        args: [...ARGUMENTS, ...more],
    });
}

/**
 * Server and browser for all tests of a file.
 * @param {{server?: string[], browser?: string[]}} [options] arguments of both
 * @returns {{visit: (how?: Object) => Promise<Visit>, address: () => string}}
 *     visit: see Visit.open
 */
export function stage({server = [], browser = []} = {}) {
    let site, chrome;
    before(async () => {
        [site, chrome] = await Promise.all([serve(...server), launch(...browser)]);
    });
    after(async () => {
        await chrome?.close();
        await site?.stop();
    });
    return {
        visit: (how = {}) => Visit.open(chrome, site.address, how),
        address: () => site.address,
    };
}

/** The repopt program of a native build: REPOPT_PROGRAM, or the release preset's. */
export function program() {
    const path = process.env.REPOPT_PROGRAM ?? join(root, 'build/release/repopt');
    if (!existsSync(path)) {
        throw new Error(
            `${path} is missing: build the release preset, or name a program in REPOPT_PROGRAM`,
        );
    }
    return path;
}
