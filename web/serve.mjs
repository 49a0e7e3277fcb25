// serve.mjs - serves the built page on this machine.
//
//     node serve.mjs [--port N] [--isolate] [--below /path] [FOLDER]
//
// --isolate sends the headers with which browsers allow threads; --below serves under a sub-path.
import {createReadStream} from 'node:fs';
import {stat} from 'node:fs/promises';
import {createServer} from 'node:http';
import {dirname, extname, join, normalize, resolve, sep} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';

const TYPES = {
    '.html': 'text/html; charset=utf-8',
    '.css': 'text/css; charset=utf-8',
    '.js': 'text/javascript; charset=utf-8',
    '.mjs': 'text/javascript; charset=utf-8',
    '.json': 'application/json',
    '.svg': 'image/svg+xml',
    '.wasm': 'application/wasm',
    '.txt': 'text/plain; charset=utf-8',
};

const {values, positionals} = parseArgs({
    allowPositionals: true,
    options: {
        port: {type: 'string', default: '8080'},
        isolate: {type: 'boolean'},
        below: {type: 'string', default: '/'},
    },
});
const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(positionals[0] ?? join(here, '../build/web/page'));
const below = `/${values.below.replace(/^\/|\/$/g, '')}/`.replace('//', '/');

function headersOf(path) {
    const headers = {
        'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream',
        'Cache-Control': 'no-cache',
    };
    if (values.isolate) {
        headers['Cross-Origin-Opener-Policy'] = 'same-origin';
        headers['Cross-Origin-Embedder-Policy'] = 'require-corp';
    }
    return headers;
}

async function answer(request, response) {
    const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
    if (!path.startsWith(below)) {
        throw new Error('outside');
    }
    const inside = path.slice(below.length);
    const file = normalize(
        join(root, inside === '' || inside.endsWith('/') ? `${inside}index.html` : inside),
    );
    if (!file.startsWith(root + sep) || !(await stat(file)).isFile()) {
        throw new Error('no file');
    }
    response.writeHead(200, headersOf(file));
    createReadStream(file).pipe(response);
}

const server = createServer((request, response) => {
    answer(request, response).catch(() => {
        response.writeHead(404, {'Content-Type': 'text/plain'}).end('Not found\n');
    });
});
server.on('error', (error) => {
    console.error(
        error.code === 'EADDRINUSE'
            ? `Port ${values.port} is in use; give another one: --port N`
            : error.message,
    );
    process.exit(1);
});
server.listen(Number(values.port), '127.0.0.1', () => {
    console.log(`http://127.0.0.1:${server.address().port}${below}`);
});
