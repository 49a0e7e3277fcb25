// theme.js - light or dark: the reader's choice, or the system's.
const listeners = [];
const system = globalThis.matchMedia?.('(prefers-color-scheme: dark)');
let choice = 'auto';

function apply() {
    const isDark = choice === 'dark' || (choice === 'auto' && Boolean(system?.matches));
    document.documentElement.dataset.theme = isDark ? 'dark' : 'light';
    for (const listener of listeners) {
        listener();
    }
}

/**
 * Sets the colours.
 * @param {'auto'|'light'|'dark'} name
 */
export function setTheme(name) {
    choice = ['auto', 'light', 'dark'].includes(name) ? name : 'auto';
    apply();
}

/** Calls `listener` after every change of the colours. */
export function onTheme(listener) {
    listeners.push(listener);
}

/** The value of a custom property of the style sheet, such as '--ink'. */
export function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

system?.addEventListener('change', apply);
