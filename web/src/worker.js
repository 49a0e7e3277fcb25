// worker.js - runs the engine away from the page, so that the page never stalls.
//
// In: {id, method, args}. Out: {id, result} or {id, error: {message, code}}, and while the engine
// loads {progress} from 0 to 1.
import {Engine} from './engine.js';

const loaded = Engine.load({onProgress: (share) => postMessage({progress: share})});

function codeOf(error) {
    return error instanceof WebAssembly.RuntimeError ? 'gone' : error.code;
}

addEventListener('message', async ({data: {id, method, args}}) => {
    try {
        const engine = await loaded;
        const result = engine[method](...args);
        postMessage({id, result});
    } catch (error) {
        postMessage({id, error: {message: error.message, code: codeOf(error)}});
    }
});
