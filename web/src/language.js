// language.js - which language the page speaks, and its words put into the document.
import {chineseClasses, text} from './text.js';

const LANGUAGES = ['en', 'zh'];
let current = 0;
const listeners = [];

/**
 * A sentence in the page's language.
 * @param {string} key a key of text.js
 * @param {Object<string, string|number>} [values] what its {names} stand for
 * @returns {string}
 */
export function t(key, values = {}) {
    return fill(text[key][current], values);
}

/** Puts values where a sentence has their {names}. */
export function fill(sentence, values) {
    return sentence.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

/** The name of a class of the data set, in the page's language. */
export function className(name) {
    return current === 1 && name in chineseClasses ? chineseClasses[name] : name;
}

/** 'en' or 'zh'. */
export function language() {
    return LANGUAGES[current];
}

/** The language to begin with: the one kept from the last visit, or the browser's. */
export function preferredLanguage(kept, browser) {
    if (LANGUAGES.includes(kept)) {
        return kept;
    }
    return /^zh\b/i.test(browser ?? '') ? 'zh' : 'en';
}

/** Calls `listener` after every change of the language. */
export function onLanguage(listener) {
    listeners.push(listener);
}

/** Changes the language of the document and tells the listeners. */
export function setLanguage(name) {
    current = Math.max(0, LANGUAGES.indexOf(name));
    document.documentElement.lang = current === 1 ? 'zh-Hans' : 'en';
    for (const element of document.querySelectorAll('[data-text]')) {
        element.textContent = t(element.dataset.text);
    }
    for (const element of document.querySelectorAll('[data-label]')) {
        element.setAttribute('aria-label', t(element.dataset.label));
    }
    delete document.documentElement.dataset.waiting;
    for (const listener of listeners) {
        listener();
    }
}
