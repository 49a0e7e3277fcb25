// build.mjs - lays the page out as a static folder: build/web/page.
//
//     node build.mjs [--engine FOLDER] [--out FOLDER]
//
// Copies; nothing is bundled or minified. Writes the English text into index.html, so that the page
// has its size before its script runs, and the list of files with their hash into the service
// worker. Prints sizes and fails where all that a visitor loads is above 1 MB gzipped.
import {createHash} from 'node:crypto';
import {
    cpSync,
    existsSync,
    mkdirSync,
    readFileSync,
    readdirSync,
    rmSync,
    writeFileSync,
} from 'node:fs';
import {basename, dirname, join, relative} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {gzipSync} from 'node:zlib';
import {text} from './src/text.js';

const LIMIT_BYTES = 1e6;
const here = dirname(fileURLToPath(import.meta.url));
const {values} = parseArgs({
    options: {
        engine: {type: 'string', default: join(here, '../build/web')},
        out: {type: 'string', default: join(here, '../build/web/page')},
    },
});
const out = values.out;

function fail(sentence) {
    console.error(sentence);
    process.exit(1);
}

function copy(from, to) {
    if (!existsSync(from)) {
        fail(`${relative(process.cwd(), from)} is missing`);
    }
    mkdirSync(dirname(join(out, to)), {recursive: true});
    cpSync(from, join(out, to), {recursive: true});
}

/** index.html with the words of text.js where its elements name them. */
function page() {
    const html = readFileSync(join(here, 'index.html'), 'utf8');
    const escape = (words) =>
        words.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;');
    const words = (key) => escape((text[key] ?? fail(`index.html: no text for ${key}`))[0]);
    return html
        .replace(
            /data-text="([^"]+)"([^>]*)><\//g,
            (all, key, rest) => `data-text="${key}"${rest}>${words(key)}</`,
        )
        .replace(/data-label="([^"]+)"/g, (all, key) => `${all} aria-label="${words(key)}"`);
}

/** Every file of the folder, sorted. */
function list(folder = out) {
    return readdirSync(folder, {recursive: true, withFileTypes: true})
        .filter((entry) => entry.isFile())
        .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
        .sort();
}

function engineFiles() {
    const found = existsSync(values.engine)
        ? readdirSync(values.engine).filter((name) => /^repopt-.*\.(mjs|js|wasm)$/.test(name))
        : [];
    if (!found.includes('repopt-simd.wasm')) {
        fail(
            `${relative(process.cwd(), values.engine)}: no repopt-simd.wasm; build it first: ` +
                'cmake --preset web && cmake --build --preset web',
        );
    }
    return found;
}

function serviceWorker(files) {
    const hash = createHash('sha256');
    for (const name of files) {
        hash.update(name).update(readFileSync(join(out, name)));
    }
    return readFileSync(join(here, 'sw.js'), 'utf8')
        .replace('__VERSION__', hash.digest('hex').slice(0, 16))
        .replace('__FILES__', JSON.stringify(files));
}

/** A table of sizes; the total counts one engine of the three, the largest. */
function report() {
    let total = 0;
    const engines = {};
    for (const name of list()) {
        const content = readFileSync(join(out, name)),
            packed = gzipSync(content, {level: 9}).length;
        const engine = /^engine\/repopt-(\w+)\./.exec(name);
        if (engine) {
            engines[engine[1]] = (engines[engine[1]] ?? 0) + packed;
        } else {
            total += packed;
        }
        console.log(`${String(content.length).padStart(9)} ${String(packed).padStart(8)}  ${name}`);
    }
    const largest = Math.max(...Object.values(engines));
    const all = total + Object.values(engines).reduce((a, b) => a + b, 0);
    console.log(`gzipped: ${total} bytes of page, ${largest} of the largest engine, ${all} in all`);
    if (all > LIMIT_BYTES) {
        fail(`above the limit of ${LIMIT_BYTES} bytes gzipped`);
    }
}

const engines = engineFiles();
rmSync(out, {recursive: true, force: true});
mkdirSync(out, {recursive: true});
writeFileSync(join(out, 'index.html'), page());
for (const name of ['style.css', 'icon.svg', 'src']) {
    copy(join(here, name), name);
}
for (const name of ['uPlot.esm.js', 'uPlot.min.css']) {
    copy(join(here, 'node_modules/uplot/dist', name), `vendor/${name}`);
}
copy(join(here, 'node_modules/uplot/LICENSE'), 'vendor/uPlot-LICENSE.txt');
copy(join(here, '../README.md'), 'docs/readme.txt');
copy(join(here, '../docs/method.md'), 'docs/method.txt');
for (const name of engines) {
    copy(join(values.engine, name), `engine/${basename(name)}`);
}
writeFileSync(join(out, '.nojekyll'), '');
writeFileSync(join(out, 'sw.js'), serviceWorker(list().filter((name) => name !== '.nojekyll')));
report();
