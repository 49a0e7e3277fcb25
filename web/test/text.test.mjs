// text.test.mjs - both languages say everything, and nothing says what nobody asks for.
import assert from 'node:assert/strict';
import {readFileSync, readdirSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {fill, preferredLanguage} from '../src/language.js';
import {text} from '../src/text.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const html = readFileSync(join(root, 'index.html'), 'utf8');
const sources = readdirSync(join(root, 'src'))
    .filter((name) => name.endsWith('.js') && name !== 'text.js')
    .map((name) => readFileSync(join(root, 'src', name), 'utf8'))
    .join('\n');

test('every sentence stands in both languages with the same values', () => {
    for (const [key, words] of Object.entries(text)) {
        assert.equal(words.length, 2, key);
        const names = words.map((sentence) =>
            [...sentence.matchAll(/\{\w+\}/g)].map(String).sort(),
        );
        assert.ok(
            words.every((sentence) => sentence.trim() !== ''),
            key,
        );
        assert.deepEqual(names[0], names[1], key);
    }
});

test('Chinese sentences are Chinese', () => {
    const same = [
        'mode.target',
        'word.comma',
        'mask.no',
        'samples.',
        'scales.label',
        'scales.row',
        'train.plotlabel',
        'mask.curve',
        'merge.head.t',
        'digits.missing',
    ];
    for (const [key, [, chinese]] of Object.entries(text)) {
        if (same.some((start) => key.startsWith(start))) {
            continue;
        }
        assert.match(chinese, /\p{Script=Han}/u, key);
    }
});

test('index.html names keys that exist', () => {
    const keys = [...html.matchAll(/data-(?:text|label)="([^"]+)"/g)].map(([, key]) => key);
    assert.ok(keys.length > 60);
    for (const key of keys) {
        assert.ok(key in text, key);
    }
});

test('the sources ask for keys that exist', () => {
    for (const [, key] of sources.matchAll(/\bt\('([^'`$]+)'[,)]/g)) {
        assert.ok(key in text, key);
    }
});

test('every key is asked for', () => {
    const starts = [...sources.matchAll(/`([a-z]+\.(?:[a-z]+\.)?)\$\{/g)].map(([, start]) => start);
    const known = new Set(
        [...sources.matchAll(/'([a-z]+(?:\.[A-Za-z_0-9]+)+)'/g)].map(([, key]) => key),
    );
    for (const [, key] of html.matchAll(/data-(?:text|label)="([^"]+)"/g)) {
        known.add(key);
    }
    for (const key of Object.keys(text)) {
        assert.ok(
            known.has(key) || starts.some((start) => key.startsWith(start)),
            `${key} is dead`,
        );
    }
});

test('every id of the sources is in index.html, and no id stands twice', () => {
    const ids = [...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    assert.equal(new Set(ids).size, ids.length);
    for (const [, id] of sources.matchAll(/\$\('([a-z-]+)'\)/g)) {
        assert.ok(ids.includes(id), id);
    }
});

test('values take their places; the browser’s language is followed', () => {
    assert.equal(fill('{a} and {b}, {c}', {a: 1, b: 'x'}), '1 and x, {c}');
    assert.equal(preferredLanguage(null, 'zh-TW'), 'zh');
    assert.equal(preferredLanguage('en', 'zh-CN'), 'en');
    assert.equal(preferredLanguage('xx', 'de'), 'en');
});
