// compare.mjs - the engine of the page beside the native program and TensorFlow.js, in one run.
//
//     scripts/bench-web [--rounds N] [--json FILE] [--only WORD,...]
//
// Every row is measured once a round, each time by a process of its own, so that a busy moment of
// the machine meets all; the table shows medians over the rounds and the least and most.
import {execFileSync, spawnSync} from 'node:child_process';
import {existsSync, writeFileSync} from 'node:fs';
import {cpus} from 'node:os';
import {resolve} from 'node:path';
import {parseArgs} from 'node:util';
import {fileURLToPath} from 'node:url';

// Debian 12's node 18 has no import.meta.dirname.
const here = fileURLToPath(new URL('.', import.meta.url));

const root = resolve(here, '../..');
const program = process.env.REPOPT
    ?? ['release', 'cpu'].map((preset) => resolve(root, 'build', preset, 'repopt'))
        .find((path) => existsSync(path));
const NATIVE_SHARE = 0.5, PEER_FACTOR = 10;

const {values} = parseArgs({options: {
    rounds: {type: 'string', default: '3'},
    json: {type: 'string'},
    only: {type: 'string', default: ''}, // rows whose name holds one of these words
}});

// ---- rows ---------------------------------------------------------------------------------------

const script = (name, ...words) => [process.execPath, resolve(here, name), ...words];

/** The three ways to run our own step at one batch size. */
function ours(batch) {
    const workload = batch === 64 ? 'cls-tiny-target' : `cls-tiny-target-b${batch}`;
    const row = (kind, name, command) => ({kind, name, batch, command});
    return [
        row('native', 'native, one thread', [program, 'bench', '--workload', workload,
            '--device', 'cpu:baseline', '--threads', '1']),
        row('engine', 'wasm, node', script('engine.mjs', '--in', 'node', '--workload', workload)),
        row('engine', 'wasm, Chromium',
            script('engine.mjs', '--in', 'chromium', '--workload', workload)),
    ];
}

/** TensorFlow.js in every place and backend that it has without a native library. */
function peers(batch) {
    return [['node', 'cpu'], ['chromium', 'cpu'], ['chromium', 'webgl'], ['chromium', 'wasm']].map(
        ([place, backend]) => ({
            name: `TensorFlow.js ${backend}, ${place === 'node' ? place : 'Chromium'}`,
            batch, kind: 'peer',
            command: script('peer.mjs', '--in', place, '--backend', backend,
                '--batch', String(batch)),
        }));
}

/** What the last line of a command's output says; `error` where it failed. */
function measure({command: [file, ...words]}) {
    const done = spawnSync(file, words, {encoding: 'utf8', timeout: 300e3});
    const line = done.stdout?.split('\n').findLast((text) => text.startsWith('{'));
    if (done.status === 0 && line) { return JSON.parse(line); }
    return {error: done.error?.message ?? done.stderr.trim().split('\n').at(-1)};
}

// ---- figures ------------------------------------------------------------------------------------

function median(list) {
    const sorted = [...list].sort((a, b) => a - b), middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Adds a row's figures of all rounds. */
function summarise(row, rounds) {
    const times = rounds.filter(({error}) => !error).map(({ms}) => ms);
    const {command, ...known} = row;
    if (times.length === 0) { return {...known, error: rounds[0].error}; }
    const ms = median(times);
    return {...known, ms, least: Math.min(...times), most: Math.max(...times), times,
        images: row.batch / ms * 1e3, version: rounds.find(({version}) => version)?.version};
}

const nativeAt = (rows, batch) => rows.find((row) => row.kind === 'native' && row.batch === batch);

/** Three digits that count, without an exponent. */
const figure = (value) => String(Number(value.toPrecision(3)));

function printTable(rows) {
    console.log('| what | batch | ms per step | least to most | images/s | speed, native = 1 |');
    console.log('|---|---|---|---|---|---|');
    for (const {name, batch, ms, least, most, images, error} of rows) {
        const share = images / nativeAt(rows, batch)?.images;
        console.log(error ? `| ${name} | ${batch} | ${error} | | | |`
            : `| ${name} | ${batch} | ${ms.toFixed(2)} | ${least.toFixed(2)} to ${most.toFixed(2)} `
                + `| ${figure(images)} | ${figure(share)} |`);
    }
}

/** The bars: the engine against the native program, and against the quickest peer. */
function bars(rows) {
    const known = rows.filter(({ms}) => ms), found = [];
    const best = known.filter(({kind}) => kind === 'peer').sort((a, b) => b.images - a.images)[0];
    const add = (row, other, bar) => {
        if (other?.batch !== row.batch) { return; }
        const ratio = row.images / other.images;
        found.push({what: `${row.name}, batch ${row.batch}`, to: other.name, ratio, bar,
            isMet: ratio >= bar});
    };
    for (const row of known.filter(({kind}) => kind === 'engine')) {
        add(row, nativeAt(known, row.batch), NATIVE_SHARE);
        add(row, best, PEER_FACTOR);
    }
    return found;
}

function facts() {
    const first = (...command) => (
        execFileSync(command[0], command.slice(1), {encoding: 'utf8',
            stdio: ['ignore', 'pipe', 'ignore']}).trim().split('\n')[0]);
    return {date: new Date().toISOString().slice(0, 10), cpu: cpus()[0].model, cores: cpus().length,
        node: process.version,
        browser: first(process.env.REPOPT_BROWSER ?? '/usr/bin/chromium', '--version'),
        commit: first('git', '-C', root, 'rev-parse', '--short', 'HEAD')};
}

// ---- the run ------------------------------------------------------------------------------------

if (!program) {
    console.error('bench-web: no native program; build preset release or cpu, or set REPOPT');
    process.exit(1);
}
const words = values.only.split(',');
const rows = [...ours(64), ...ours(8), ...peers(8)].filter(
    ({name}) => words.some((word) => name.includes(word)));
const results = rows.map(() => []);
for (let round = 0; round < Number(values.rounds); round++) {
    rows.forEach((row, i) => results[i].push(measure(row)));
    console.error(`round ${round + 1} of ${values.rounds}`);
}
const summary = rows.map((row, i) => summarise(row, results[i]));
printTable(summary);
const met = bars(summary);
for (const {what, to, ratio, bar, isMet} of met) {
    const verdict = isMet ? 'met' : 'missed';
    console.log(`${what}: ${ratio.toFixed(2)} x ${to}, wanted ${bar} x: ${verdict}`);
}
if (values.json) {
    writeFileSync(values.json,
        `${JSON.stringify({...facts(), rows: summary, bars: met}, null, 2)}\n`);
}
