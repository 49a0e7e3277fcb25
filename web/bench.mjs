// bench.mjs - times training steps in WebAssembly with the workloads of `repopt bench`.
//
//     node web/bench.mjs [--workload NAME] [--warmup N] [--steps N] [--min-ms N] [--build FOLDER]
//
// Prints the same JSON line; to be compared with
//
//     repopt bench --workload cls-tiny-target --device cpu:baseline --threads 1
import {readFileSync} from 'node:fs';
import {resolve} from 'node:path';
import {pathToFileURL} from 'node:url';
import {parseArgs} from 'node:util';

const {values} = parseArgs({options: {
    workload: {type: 'string', default: 'cls-tiny-target'},
    warmup: {type: 'string', default: '10'}, // the first steps run before V8 has optimised them
    steps: {type: 'string', default: '10'},
    'min-ms': {type: 'string', default: '1000'},
    build: {type: 'string', default: resolve(import.meta.dirname, '../build/web')},
}});
const script = resolve(values.build, 'bench/bench.mjs');
const {default: create} = await import(pathToFileURL(script));
const words = [values.workload, values.warmup, values.steps, values['min-ms']];
await create({
    arguments: words,
    wasmBinary: readFileSync(script.replace(/mjs$/, 'wasm')),
    print: (line) => console.log(line),
    printErr: (line) => console.error(line),
    quit: (status) => { process.exitCode = status; },
});
