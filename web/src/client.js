// client.js - the page's side of the worker that computes.

/** An error with a sentence for the visitor; `code` as the library has it, or 'gone'. */
export class CallError extends Error {
    constructor(message, code) {
        super(message);
        this.code = code;
    }
}

/** Calls into the worker; answers come in the order of the calls. */
class Client {
    constructor(worker, onProgress) {
        this.worker = worker;
        this.pending = new Map();
        this.next = 1;
        this.onGone = () => {};
        worker.addEventListener('message', ({data}) => {
            if ('progress' in data) {
                onProgress(data.progress);
            } else {
                this.settle(data);
            }
        });
        worker.addEventListener('error', (event) => this.fail(event.message));
        worker.addEventListener('messageerror', () => this.fail('messageerror'));
    }

    /**
     * Calls a method of Engine (engine.js).
     * @param {string} method
     * @param {...*} args
     * @returns {Promise<*>} rejected with a CallError
     */
    call(method, ...args) {
        if (this.goneMessage !== undefined) {
            return Promise.reject(new CallError(this.goneMessage, 'gone'));
        }
        return new Promise((resolve, reject) => {
            const id = this.next++;
            this.pending.set(id, {resolve, reject});
            this.worker.postMessage({id, method, args});
        });
    }

    settle({id, result, error}) {
        const {resolve, reject} = this.pending.get(id);
        this.pending.delete(id);
        if (!error) {
            resolve(result);
            return;
        }
        reject(new CallError(error.message, error.code));
        if (error.code === 'gone') {
            this.fail(error.message);
        }
    }

    fail(message) {
        this.goneMessage = message ?? '';
        for (const {reject} of this.pending.values()) {
            reject(new CallError(this.goneMessage, 'gone'));
        }
        this.pending.clear();
        this.onGone(this.goneMessage);
    }
}

/**
 * Starts the worker and waits until its engine is ready.
 * @param {(share: number) => void} [onProgress] of the download, 0 to 1
 * @returns {Promise<Client & {info: Object}>}
 */
export async function connect(onProgress = () => {}) {
    const worker = new Worker(new URL('./worker.js', import.meta.url), {type: 'module'});
    const client = new Client(worker, onProgress);
    client.info = await client.call('info');
    return client;
}
