// A search and a target in WebAssembly end with the bits of the native program.
//
// REPOPT names the program; without it the one that a preset has built is taken.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {existsSync, mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join, resolve} from 'node:path';
import test, {after} from 'node:test';
import {drawnPairs, loadEngine, tensorsOf} from './engine.mjs';
import {installWorker} from './node_worker.mjs';
import {fileURLToPath} from 'node:url';

// Debian 12's node 18 has no import.meta.dirname.
const here = fileURLToPath(new URL('.', import.meta.url));

const built = ['release', 'cpu', 'dev'].map((preset) => (
    resolve(here, '../../build', preset, 'repopt')));
const program = process.env.REPOPT ?? built.find((path) => existsSync(path));
if (!program) { throw new Error('no native program to compare with; build one, or set REPOPT'); }
installWorker(2);

// Everything that could differ: random numbers, colours, schedule, clipping, the average.
const pairs = drawnPairs({
    'SEED': 5, 'SOLVER.EMA_DECAY': 0.99, 'SOLVER.SCHEDULE': 'cosine', 'SOLVER.CLIP_GRAD': 3,
    'INPUT.PAD': 4, 'INPUT.BRIGHTNESS': 0.2, 'INPUT.CONTRAST': 0.2, 'INPUT.SATURATION': 0.2,
    'INPUT.HUE': 0.1, 'INPUT.CUTOUT': 4,
});
const runs = {
    search: {'TRAINING_MODE': 'hyper_search'},
    target: {'TRAINING_MODE': 'target'},
    adamw: {'TRAINING_MODE': 'target', 'SOLVER.OPTIMIZER': 'adamw', 'SOLVER.BASE_LR': 0.002},
};

const folder = mkdtempSync(join(tmpdir(), 'repopt-bits-'));
after(() => rmSync(folder, {recursive: true}));
const native = {};
for (const [name, others] of Object.entries(runs)) {
    const searched = join(folder, 'search/model_final.safetensors');
    const scale = name === 'search' ? [] : ['SCALE', searched];
    execFileSync(program, ['train', '--device', 'cpu:baseline', '--threads', '1',
        ...pairs.flat().map(String), ...Object.entries(others).flat().map(String), ...scale,
        'OUTPUT_DIR', join(folder, name)], {stdio: 'pipe'});
    native[name] = tensorsOf(readFileSync(join(folder, name, 'model_final.safetensors'))).tensors;
}

function compare(engine, name) {
    const scale = name === 'search' ? [] : [['SCALE', '/scales.safetensors']];
    const {id} = engine.trainerCreate(
        {pairs: [...pairs, ...Object.entries(runs[name]), ...scale]});
    assert.equal(engine.trainerStep(id, 20).iteration, 20);
    const saved = engine.trainerSave(id);
    if (name === 'search') { engine.fileWrite('/scales.safetensors', saved); }
    engine.trainerDestroy(id);
    const {tensors} = tensorsOf(saved);
    assert.deepEqual([...tensors.keys()], [...native[name].keys()]);
    assert.ok(tensors.size > 100);
    const differing = [...tensors.keys()].filter((key) => !tensors.get(key).equals(
        native[name].get(key)));
    assert.deepEqual(differing, [], name);
}

for (const [variant, threads] of [['simd', 1], ['scalar', 1], ['threads', 1], ['threads', 2]]) {
    test(`${variant}, ${threads} threads: every tensor of 20 steps, byte for byte`, async () => {
        const engine = await loadEngine(variant, threads);
        assert.equal(engine.info().threads, threads);
        for (const name of Object.keys(runs)) { compare(engine, name); }
    });
}
