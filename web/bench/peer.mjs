// peer.mjs - times the training steps of peer_net.mjs in node or in Chromium.
//
//     node web/bench/peer.mjs [--in node|chromium] [--backend cpu|webgl|wasm] [--batch N]
//                             [--warmup N] [--steps N] [--min-ms N]
//
// Prints one JSON line, with `error` in place of times where the backend cannot.
import {createRequire} from 'node:module';
import {dirname, join} from 'node:path';
import {parseArgs} from 'node:util';
import {onPage} from './page.mjs';
import {timeSteps} from './peer_net.mjs';
import {fileURLToPath} from 'node:url';

// Debian 12's node 18 has no import.meta.dirname.
const here = fileURLToPath(new URL('.', import.meta.url));

const {values} = parseArgs({options: {
    in: {type: 'string', default: 'node'},
    backend: {type: 'string', default: 'cpu'},
    batch: {type: 'string', default: '8'},
    warmup: {type: 'string', default: '1'},
    steps: {type: 'string', default: '3'},
    'min-ms': {type: 'string', default: '1000'},
}});
const how = {backend: values.backend, batch: Number(values.batch), warmup: Number(values.warmup),
    steps: Number(values.steps), minMs: Number(values['min-ms'])};
const require = createRequire(import.meta.url);
const dist = (name) => join(dirname(require.resolve(`${name}/package.json`)), 'dist');

async function inPage(page) {
    await page.addScriptTag({url: '/tfjs/tf.min.js'});
    if (how.backend === 'wasm') { await page.addScriptTag({url: '/wasm/tf-backend-wasm.min.js'}); }
    return page.evaluate(async (how) => {
        globalThis.tf.wasm?.setWasmPaths('/wasm/');
        const {timeSteps} = await import('/bench/peer_net.mjs');
        return timeSteps(globalThis.tf, how);
    }, how);
}

function measure() {
    if (values.in === 'node') { return timeSteps(require('@tensorflow/tfjs'), how); }
    return onPage({'/bench/': here, '/tfjs/': dist('@tensorflow/tfjs'),
        '/wasm/': dist('@tensorflow/tfjs-backend-wasm')}, inPage);
}

const name = {in: values.in, backend: how.backend, batch: how.batch};
try {
    const {ms, version} = await measure();
    ms.sort((a, b) => a - b);
    const middle = ms[ms.length >> 1];
    console.log(JSON.stringify({...name, version, n: ms.length, ms: middle,
        images_s: how.batch / middle * 1e3}));
} catch (error) {
    const [line] = error.message.split('\n');
    console.log(JSON.stringify({...name, error: line.replace('page.evaluate: Error: ', '')}));
}
