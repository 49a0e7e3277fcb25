// merge_lesson.js - lesson 1: three scaled branches and the one kernel that they are.
import {$, chosen, guarded, latest, make, seedOf} from './controls.js';
import {drawKernel, drawLegend, extremes, heatLimit} from './heat.js';
import {onLanguage, t} from './language.js';
import {fixed, scientific, short} from './numbers.js';
import {
    SIDE,
    builtinPicture,
    drawPicture,
    pictureFromCamera,
    pictureFromFile,
    quantile,
} from './pictures.js';
import {presetKernels} from './presets.js';

const SCALES = ['s', 't', 'u'];
const COLOURS = ['red', 'green', 'blue'];
const RANDOM_SCALES = {s: 1, t: 1, u: 1};
/** A sum of 78 products near 1 in float32, taken in two orders, stays well below. */
const ROUNDING = 1e-5;
/** Share of the sum's values that may be darker than black, and as many brighter than white. */
const TAIL = 0.02;

/** Lesson 1. `engine`: a Client; null until it is ready. */
export class MergeLesson {
    constructor() {
        this.engine = null;
        this.picture = builtinPicture();
        this.result = null;
        this.update = latest(() => this.compute());
        this.remake = latest(() => this.create());
        this.makeSliders();
        this.listen();
        drawPicture($('merge-view-input'), this.picture, 0, 1);
        onLanguage(() => this.relabel());
    }

    /** Begins to compute. */
    async start(engine) {
        this.engine = engine;
        await this.remake();
    }

    makeSliders() {
        const grid = $('merge-scales');
        grid.append(make('span'));
        for (const scale of SCALES) {
            grid.append(make('span', {className: 'head', id: `merge-head-${scale}`}));
        }
        COLOURS.forEach((colour, channel) => {
            grid.append(make('b', {textContent: colour[0].toUpperCase(), ariaHidden: 'true'}));
            for (const scale of SCALES) {
                const input = make('input', {
                    type: 'range',
                    id: `merge-${scale}-${channel}`,
                    min: -2,
                    max: 2,
                    step: 0.05,
                });
                input.value = 1;
                input.addEventListener('input', () => this.moved(scale, channel));
                const output = make('output');
                output.htmlFor = input.id;
                grid.append(make('div', {}, output, input));
            }
        });
        this.setScales(presetKernels('sharpen', 3).scales);
    }

    listen() {
        for (const input of document.querySelectorAll('input[name="merge-kernel"]')) {
            input.addEventListener('change', () => this.remake());
        }
        $('merge-preset').addEventListener('change', () => {
            this.setScales(this.startScales());
            void this.remake();
        });
        $('merge-seed').addEventListener('change', () => {
            $('merge-preset').value = 'random';
            this.setScales(this.startScales());
            void this.remake();
        });
        $('merge-reset').addEventListener('click', () => {
            this.setScales(this.startScales());
            void this.update();
        });
        $('merge-builtin').addEventListener('click', () => this.take(builtinPicture));
        $('merge-camera').addEventListener('click', () => this.take(pictureFromCamera));
        $('merge-file').addEventListener('change', async (event) => {
            const [file] = event.target.files;
            if (file) {
                await this.take(() => pictureFromFile(file));
            }
            event.target.value = '';
        });
        new ResizeObserver(() => this.draw()).observe($('merge-heat-merged'));
    }

    /** A new picture, or a sentence beside its buttons. */
    async take(source) {
        $('merge-picture-error').textContent = '';
        try {
            const picture = await source();
            if (!picture) {
                return;
            }
            this.picture = picture;
            drawPicture($('merge-view-input'), picture, 0, 1);
            await this.update();
        } catch (error) {
            $('merge-picture-error').textContent = error.message;
        }
    }

    startScales() {
        const name = $('merge-preset').value;
        return name === 'random'
            ? RANDOM_SCALES
            : presetKernels(name, Number(chosen('merge-kernel'))).scales;
    }

    setScales(values) {
        for (const scale of SCALES) {
            for (let channel = 0; channel < 3; channel++) {
                $(`merge-${scale}-${channel}`).value = values[scale];
            }
        }
        this.showScales();
    }

    moved(scale, channel) {
        if ($('merge-link').checked) {
            const {value} = $(`merge-${scale}-${channel}`);
            for (let c = 0; c < 3; c++) {
                $(`merge-${scale}-${c}`).value = value;
            }
        }
        this.showScales();
        void this.update();
    }

    showScales() {
        for (const input of $('merge-scales').querySelectorAll('input')) {
            input.previousElementSibling.value = fixed(Number(input.value));
            input.setAttribute('aria-valuetext', fixed(Number(input.value)));
        }
    }

    /** The settings have come from a link: everything anew. */
    restore() {
        this.showScales();
        return this.remake();
    }

    /** A block of the chosen size with the chosen kernels. */
    async create() {
        if (!this.engine) {
            return;
        }
        const kernel = Number(chosen('merge-kernel')),
            preset = $('merge-preset').value;
        $('merge-preset-note').textContent =
            kernel === 1 && preset !== 'random' ? t('preset.one') : '';
        await guarded($('merge-error'), async () => {
            const made = await this.engine.call('blockCreate', {
                kernel,
                channels: 3,
                height: SIDE,
                width: SIDE,
                seed: seedOf($('merge-seed')),
            });
            let {convKernel: conv, oneKernel: one} = made;
            if (preset !== 'random') {
                ({conv, one} = presetKernels(preset, kernel));
                await this.engine.call('blockKernels', made.id, {conv, one});
            }
            const old = this.block;
            this.block = {id: made.id, kernel, conv, one};
            if (old) {
                await this.engine.call('blockDestroy', old.id);
            }
        });
        await this.update();
    }

    async compute() {
        if (!this.block) {
            return;
        }
        const block = this.block;
        const scales = {};
        for (const scale of SCALES) {
            scales[scale] = Float32Array.from([0, 1, 2], (c) =>
                Number($(`merge-${scale}-${c}`).value),
            );
        }
        await guarded($('merge-error'), async () => {
            await this.engine.call('blockScales', block.id, scales);
            const result = await this.engine.call('blockRun', block.id, this.picture);
            this.result = {...result, block, scales};
        });
        this.draw();
    }

    /** Kernels of the branches as they take part: each times its scale. */
    scaledKernels({block, scales}) {
        const {kernel, conv, one} = block;
        const per = conv.length / 3;
        return {
            conv: conv.map((value, i) => value * scales.s[Math.floor(i / per)]),
            one: one.map((value, i) => value * scales.t[Math.floor(i / 3)]),
            identity: Float32Array.from({length: 9}, (_, i) => (i % 4 === 0 ? scales.u[i / 4] : 0)),
            kernel,
        };
    }

    draw() {
        if (!this.result) {
            return;
        }
        const r = this.result,
            k = r.block.kernel;
        const kernels = this.scaledKernels(r);
        const limit = heatLimit(kernels.conv, kernels.one, kernels.identity, r.mergedKernel);
        const heats = [
            ['conv', kernels.conv, k],
            ['one', kernels.one, 1],
            ['identity', kernels.identity, 1],
            ['merged', r.mergedKernel, k],
        ];
        for (const [name, values, side] of heats) {
            drawKernel($(`merge-heat-${name}`), values, [3, side, side, 3], limit);
        }
        drawLegend($('merge-legend'), limit, short);
        // A halo of a sharpened edge may go beyond black and white, as in any picture editor.
        const low = Math.min(0, quantile(r.sum, TAIL)),
            high = Math.max(1, quantile(r.sum, 1 - TAIL));
        for (const name of ['conv', 'one', 'identity', 'sum', 'merged']) {
            drawPicture($(`merge-view-${name}`), r[name], low, high);
        }
        this.shown = {low, high, heats};
        this.describe();
    }

    /** The result in words: on the page and for screen readers. */
    describe() {
        const {maxDifference} = this.result,
            {low, high, heats} = this.shown;
        const verdict = t(maxDifference < ROUNDING ? 'merge.equal' : 'merge.unequal');
        $('merge-number').textContent = scientific(maxDifference);
        $('merge-result').textContent = t('merge.result', {verdict});
        $('merge-range').textContent = t('merge.range', {low: fixed(low), high: fixed(high)});
        for (const [name, values, k] of heats) {
            const {low: least, high: most} = extremes(values);
            const range = t('word.range', {low: fixed(least), high: fixed(most)});
            $(`merge-heat-${name}`).ariaLabel = t('heat.label', {
                what: t(`merge.${name}`),
                out: 3,
                in: 3,
                k,
                range,
            });
        }
    }

    relabel() {
        for (const scale of SCALES) {
            $(`merge-head-${scale}`).textContent = t(`merge.head.${scale}`);
            COLOURS.forEach((colour, channel) => {
                $(`merge-${scale}-${channel}`).ariaLabel = t('merge.slider', {
                    scale,
                    colour: t(`word.${colour}`),
                });
            });
        }
        const views = [
            ['input', 'picture.input'],
            ['conv', 'merge.conv'],
            ['one', 'merge.one'],
            ['identity', 'merge.identity'],
            ['sum', 'merge.branches'],
            ['merged', 'merge.through'],
        ];
        for (const [view, key] of views) {
            $(`merge-view-${view}`).ariaLabel = t('merge.view', {what: t(key)});
        }
        if (this.result) {
            this.describe();
        }
    }
}
