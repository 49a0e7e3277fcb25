// controls.js - what the lessons' controls have in common.
import {t} from './language.js';
import {fixed, short} from './numbers.js';

/** The element of an id. */
export function $(id) {
    return document.getElementById(id);
}

/** A new element with properties and children. */
export function make(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
}

/** The value of the chosen radio button of a group. */
export function chosen(name) {
    return document.querySelector(`input[name="${name}"]:checked`).value;
}

/** Chooses a radio button of a group. */
export function choose(name, value) {
    const input = document.querySelector(`input[name="${name}"][value="${CSS.escape(value)}"]`);
    if (input) {
        input.checked = true;
    }
}

/** The number of a slider; sliders with data-power stand for powers of ten. */
export function sliderValue(input) {
    const value = Number(input.value);
    return 'power' in input.dataset ? Number((10 ** value).toPrecision(3)) : value;
}

/** Writes a slider's number beside it and for screen readers. */
export function showSlider(input) {
    const value = sliderValue(input);
    const words = 'power' in input.dataset ? short(value) : fixed(value);
    const output = input.parentElement.querySelector('output');
    if (output) {
        output.value = words;
    }
    input.setAttribute('aria-valuetext', words);
}

/** Disables a control and says why, or enables it and says nothing. */
export function disable(control, note, reason) {
    control.disabled = Boolean(reason);
    control.closest('label, .field')?.classList.toggle('is-off', Boolean(reason));
    if (note) {
        note.textContent = reason;
    }
}

/** The sentence of a failure: the page's own, the library's, or what happened to the engine. */
export function errorWords(error) {
    if (error.code === 'gone') {
        return t('engine.gone');
    }
    return error.code === undefined ? error.message : t('engine.said', {message: error.message});
}

/** Runs an action; its failure becomes a sentence in `place`. Returns whether it went well. */
export async function guarded(place, action) {
    place.textContent = '';
    try {
        await action();
        return true;
    } catch (error) {
        place.textContent = errorWords(error);
        return false;
    }
}

/**
 * Makes a function that runs `action`, and once more if it was asked for meanwhile: sliders ask
 * more often than the engine answers, and only their last place matters.
 */
export function latest(action) {
    let isBusy = false,
        isAsked = false;
    return async function ask() {
        isAsked = true;
        if (isBusy) {
            return;
        }
        isBusy = true;
        while (isAsked) {
            isAsked = false;
            await action();
        }
        isBusy = false;
    };
}

/** A seed of a number field: a whole number from 0 to 999999. */
export function seedOf(input) {
    const value = Math.floor(Number(input.value));
    return Number.isFinite(value) ? Math.max(0, Math.min(999999, value)) : 0;
}
