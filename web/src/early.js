// early.js - before the first paint: the colours, and English not shown to who reads Chinese.
//
// A classic script in the head; everything else waits for modules. language.js ends the waiting.
(function early() {
    const root = document.documentElement;
    let theme = null,
        language = null;
    try {
        theme = localStorage.getItem('theme');
        language = localStorage.getItem('language');
    } catch {
        // A browser that keeps nothing: the system's colours, the browser's language.
    }
    const isDark = matchMedia('(prefers-color-scheme: dark)').matches;
    root.dataset.theme = theme === 'dark' || (theme !== 'light' && isDark) ? 'dark' : 'light';
    if ((language || navigator.language).startsWith('zh')) {
        root.dataset.waiting = '';
    }
})();
