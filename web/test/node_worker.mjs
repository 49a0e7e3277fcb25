// node_worker.mjs - gives node the Worker of browsers, as far as the threads module needs it.
import {Worker as Thread} from 'node:worker_threads';

// Within a thread: the names that a worker's script finds in a browser.
const BOOT = `
const {parentPort, workerData} = require('node:worker_threads');
Object.assign(globalThis, {self: globalThis, importScripts() {}, location: {href: workerData},
    postMessage: (data) => parentPort.postMessage(data)});
parentPort.on('message', (data) => self.onmessage({data}));
require(require('node:url').fileURLToPath(workerData));
`;

class Worker {
    constructor(url) {
        this.thread = new Thread(BOOT, {eval: true, workerData: String(url)});
        this.thread.on('message', (data) => {
            this.thread.unref(); // it is loaded: from now on a test's end is the end
            this.onmessage({data});
        });
        this.thread.on('error', (error) => this.onerror(error));
    }

    postMessage(data) { this.thread.postMessage(data); }

    terminate() { return this.thread.terminate(); }
}

/** @param {number} cores that scripts are told this machine has */
export function installWorker(cores) {
    globalThis.Worker = Worker;
    Object.defineProperty(globalThis, 'navigator', {value: {hardwareConcurrency: cores},
        configurable: true});
}
