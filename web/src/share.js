// share.js - all settings of the page in its address, and back.
//
// The address holds what differs from the start: #train-lr=0.1&train-seed=3. Every control inside
// main that has an id and a value is a setting, except files, colours of the pen and drawings.

/**
 * Settings as the text behind '#'.
 * @param {Record<string, string>} values
 * @param {Record<string, string>} defaults values that are left out
 */
export function encodeSettings(values, defaults) {
    return Object.keys(values)
        .sort()
        .filter((key) => values[key] !== defaults[key])
        .map((key) => `${encodeURIComponent(key)}=${encodeURIComponent(values[key])}`)
        .join('&');
}

/**
 * The way back: known settings only, others at their defaults.
 * @param {string} hash with or without '#'
 * @param {Record<string, string>} defaults
 */
export function decodeSettings(hash, defaults) {
    const values = {...defaults};
    for (const pair of hash.replace(/^#/, '').split('&')) {
        const at = pair.indexOf('=');
        if (at < 0) {
            continue;
        }
        try {
            const key = decodeURIComponent(pair.slice(0, at));
            if (Object.hasOwn(defaults, key)) {
                values[key] = decodeURIComponent(pair.slice(at + 1));
            }
        } catch {
            // A broken escape is no setting.
        }
    }
    return values;
}

const LEFT_OUT = 'input[type="file"], input[type="color"], [data-private]';

function settingControls() {
    const all = document.querySelectorAll('main input, main select');
    return [...all].filter((control) => !control.matches(LEFT_OUT) && (control.id || control.name));
}

/** Every setting of the page: radio groups by name, others by id. */
export function readSettings() {
    const values = {};
    for (const control of settingControls()) {
        if (control.type === 'radio') {
            if (control.checked) {
                values[control.name] = control.value;
            }
        } else if (control.type === 'checkbox') {
            values[control.id] = control.checked ? '1' : '0';
        } else {
            values[control.id] = control.value;
        }
    }
    return values;
}

/** Puts settings into the controls; a value that a control does not have leaves it as it is. */
export function writeSettings(values) {
    for (const control of settingControls()) {
        if (control.type === 'radio') {
            if (values[control.name] === control.value) {
                control.checked = true;
            }
        } else if (values[control.id] === undefined) {
            continue;
        } else if (control.type === 'checkbox') {
            control.checked = values[control.id] === '1';
        } else if (control.tagName === 'SELECT') {
            const option = [...control.options].find((o) => o.value === values[control.id]);
            if (option) {
                control.value = option.value;
            }
        } else {
            const number = Number(values[control.id]);
            if (values[control.id] !== '' && Number.isFinite(number)) {
                control.value = String(clampTo(control, number));
            }
        }
    }
}

function clampTo(control, number) {
    const low = control.min === '' ? -Infinity : Number(control.min);
    const high = control.max === '' ? Infinity : Number(control.max);
    return Math.max(low, Math.min(high, number));
}
