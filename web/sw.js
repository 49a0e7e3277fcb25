// sw.js - keeps the page's files for use without a network. build.mjs fills in version and files.
const CACHE = 'repopt-__VERSION__';
const FILES = __FILES__;

addEventListener('install', (event) => {
    event.waitUntil(
        (async () => {
            const cache = await caches.open(CACHE);
            await cache.addAll(
                ['./', ...FILES].map((file) => new Request(file, {cache: 'no-cache'})),
            );
            await skipWaiting();
        })(),
    );
});

addEventListener('activate', (event) => {
    event.waitUntil(
        (async () => {
            for (const name of await caches.keys()) {
                if (name.startsWith('repopt-') && name !== CACHE) {
                    await caches.delete(name);
                }
            }
            await clients.claim();
        })(),
    );
});

addEventListener('fetch', (event) => {
    if (event.request.method !== 'GET' || new URL(event.request.url).origin !== location.origin) {
        return;
    }
    event.respondWith(
        (async () => {
            const cache = await caches.open(CACHE);
            return (await cache.match(event.request, {ignoreSearch: true})) ?? fetch(event.request);
        })(),
    );
});
