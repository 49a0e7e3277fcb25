// engine.mjs - times training steps in WebAssembly with the workloads of `repopt bench`.
//
//     node web/bench/engine.mjs [--in node|chromium] [--workload NAME] [--warmup N] [--steps N]
//                               [--min-ms N] [--build FOLDER]
//
// Prints the same JSON line; to be compared with
//
//     repopt bench --workload cls-tiny-target --device cpu:baseline --threads 1
import {readFileSync} from 'node:fs';
import {resolve} from 'node:path';
import {fileURLToPath, pathToFileURL} from 'node:url';
import {parseArgs} from 'node:util';
import {onPage} from './page.mjs';

// Debian 12's node 18 has no import.meta.dirname.
const here = fileURLToPath(new URL('.', import.meta.url));

const {values} = parseArgs({options: {
    in: {type: 'string', default: 'node'},
    workload: {type: 'string', default: 'cls-tiny-target'},
    warmup: {type: 'string', default: '10'}, // the first steps run before V8 has optimised them
    steps: {type: 'string', default: '10'},
    'min-ms': {type: 'string', default: '1000'},
    build: {type: 'string', default: resolve(here, '../../build/web')},
}});
const folder = resolve(values.build, 'bench');
const words = [values.workload, values.warmup, values.steps, values['min-ms']];

async function inNode() {
    const {default: create} = await import(pathToFileURL(resolve(folder, 'bench.mjs')));
    await create({
        arguments: words,
        wasmBinary: readFileSync(resolve(folder, 'bench.wasm')),
        print: (line) => console.log(line),
        printErr: (line) => console.error(line),
        quit: (status) => { process.exitCode = status; },
    });
}

/** In the page: what was printed, to which stream, and the exit status. */
async function runInPage(words) {
    const {default: create} = await import('/engine/bench.mjs');
    const printed = {out: [], err: [], status: 0};
    await create({
        arguments: words,
        print: (line) => printed.out.push(line),
        printErr: (line) => printed.err.push(line),
        quit: (status) => { printed.status = status; },
    });
    return printed;
}

async function inChromium() {
    const {out, err, status} = await onPage({'/engine/': folder},
        (page) => page.evaluate(runInPage, words));
    out.forEach((line) => console.log(line));
    err.forEach((line) => console.error(line));
    process.exitCode = status;
}

await (values.in === 'chromium' ? inChromium() : inNode());
