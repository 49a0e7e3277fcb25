// sw.js - keeps the page's files for use without a network. build.mjs fills in version and files.
//
// sw.js?engine=simd keeps that engine of the three, the one which the page has chosen.
const CACHE = 'repopt-__VERSION__';
const FILES = __FILES__;
const ENGINE = new URL(location.href).searchParams.get('engine');
const KEPT = FILES.filter(
    (file) => !file.startsWith('engine/') || file.startsWith(`engine/repopt-${ENGINE}.`),
);

addEventListener('install', (event) => {
    event.waitUntil(
        (async () => {
            const cache = await caches.open(CACHE);
            await cache.addAll(
                ['./', ...KEPT].map((file) => new Request(file, {cache: 'no-cache'})),
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
