// page.mjs - a blank page in headless Chromium, with folders of this machine served beside it.
import {readFile} from 'node:fs/promises';
import {createServer} from 'node:http';
import {extname, join, normalize} from 'node:path';
import {chromium} from 'playwright-core';

const TYPES = {'.mjs': 'text/javascript', '.js': 'text/javascript', '.wasm': 'application/wasm'};
// Shared memory and fine clocks: whoever is measured may use both.
const HEADERS = {'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp'};
// WebGL without a graphics card runs on SwiftShader, which has to be asked for.
const ARGUMENTS = ['--no-sandbox', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--enable-unsafe-swiftshader'];

/** Answers a request from the folder whose prefix it has; '/' is the blank page. */
async function answer(folders, request, response) {
    const path = normalize(new URL(request.url, 'http://localhost').pathname);
    const prefix = Object.keys(folders).find((name) => path.startsWith(name));
    try {
        const isPage = path === '/';
        const body = isPage ? '<!doctype html><title>bench</title>'
            : await readFile(join(folders[prefix], path.slice(prefix.length)));
        const type = isPage ? 'text/html' : TYPES[extname(path)] ?? 'application/octet-stream';
        response.writeHead(200, {...HEADERS, 'Content-Type': type}).end(body);
    } catch {
        response.writeHead(404, HEADERS).end();
    }
}

/**
 * Opens the page, hands it to `work`, and closes everything again.
 * @param {Object<string, string>} folders prefix of addresses ('/x/') to folder
 * @param {(page: import('playwright-core').Page) => Promise<T>} work
 * @returns {Promise<T>} what `work` gave
 * @template T
 */
export async function onPage(folders, work) {
    const server = createServer((request, response) => {
        void answer(folders, request, response);
    });
    await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    const browser = await chromium.launch({
        executablePath: process.env.REPOPT_BROWSER ?? '/usr/bin/chromium', args: ARGUMENTS});
    try {
        const page = await browser.newPage();
        await page.goto(`http://127.0.0.1:${server.address().port}/`);
        return await work(page);
    } finally {
        await browser.close();
        server.close();
    }
}
