// mask_lesson.js - lesson 2: a masked update beside the branches that it stands for.
import {LINES, RunChart, lineKey} from './charts.js';
import {$, guarded, make} from './controls.js';
import {drawKernel, drawLegend, extremes, heatLimit} from './heat.js';
import {onLanguage, t} from './language.js';
import {difference as differenceWords, fixed, power, scientific, short, whole} from './numbers.js';
import {listenToMaskForm, maskSettings, refreshMaskForm} from './mask_form.js';
import {onTheme} from './theme.js';

/** Relative difference that float32 may reach in some hundred steps by rounding alone. */
const ROUNDING = 1e-5;
const HEATS = ['gradient', 'mask', 'masked', 'kernel', 'twin', 'difference'];
const HEAT_KEYS = {kernel: 'mask.new'};
/** Steps between two pictures while it runs, and the most that a curve keeps. */
const STEPS_AT_ONCE = 2,
    MAX_STEPS = 1000;
/** Steps between two sentences while it runs. */
const SAY_STEPS = 50;

/** Lesson 2: settings, steps, heat pictures and the plot of the difference. */
export class MaskLesson {
    constructor() {
        this.runs = [];
        this.isRunning = false;
        this.saidStep = 0;
        this.chart = new RunChart($('mask-plot'), {
            isLog: true,
            format: power,
            band: () => ({limit: ROUNDING, label: t('mask.curve.round')}),
        });
        this.listen();
        this.refresh();
        onLanguage(() => {
            this.refresh();
            this.describe();
        });
        onTheme(() => this.chart.rebuild());
    }

    /** Begins to compute. */
    async start(engine) {
        this.engine = engine;
        await this.reset();
    }

    /** The settings have come from a link. */
    restore() {
        this.refresh();
        return this.reset();
    }

    listen() {
        listenToMaskForm(() => {
            this.refresh();
            void this.reset();
        });
        $('mask-step').addEventListener('click', () => {
            this.isRunning = false;
            this.refresh();
            void this.advance(1);
        });
        $('mask-run').addEventListener('click', () => this.toggle());
        $('mask-reset').addEventListener('click', () => {
            this.isRunning = false;
            this.refresh();
            void this.reset();
        });
        $('mask-forget').addEventListener('click', () => {
            this.runs = this.runs.slice(-1);
            this.describe();
        });
        new ResizeObserver(() => this.draw()).observe($('mask-heat-kernel'));
    }

    refresh() {
        refreshMaskForm();
        $('mask-run').textContent = t(this.isRunning ? 'word.pause' : 'word.run');
    }

    /** New nets; steps asked for meanwhile wait for them. */
    reset() {
        this.making = this.create();
        return this.making;
    }

    /** The curve so far stays in the plot, paler company for the next one. */
    async create() {
        const turn = (this.turn = (this.turn ?? 0) + 1);
        const settings = maskSettings();
        await guarded($('mask-error'), async () => {
            const net = await this.engine.call('maskCreate', settings);
            if (this.net) {
                await this.engine.call('maskDestroy', this.net.id);
            }
            this.net = net;
            this.state = null;
        });
        if (turn !== this.turn) {
            return;
        }
        this.newCurve(settings);
        this.draw();
        this.describe();
    }

    /** One curve for each way of updating: the same way again replaces its curve. */
    newCurve({optimizer, isMasked, clip}) {
        const key = [optimizer, isMasked, clip].join(' ');
        this.runs = this.runs.filter((run) => run.key !== key && run.xs.length > 0);
        const free = LINES.filter((line) => !this.runs.some((run) => run.line === line));
        if (free.length === 0) {
            free.push(this.runs.shift().line);
        }
        this.runs.push({key, optimizer, isMasked, clip, line: free[0], xs: [], ys: []});
    }

    toggle() {
        this.isRunning = !this.isRunning;
        this.refresh();
        if (this.isRunning) {
            void this.run();
        }
    }

    async run() {
        while (this.isRunning) {
            const isFine = await this.advance(STEPS_AT_ONCE);
            if (!isFine || this.curve().xs.length >= MAX_STEPS) {
                break;
            }
            await new Promise(requestAnimationFrame);
        }
        this.isRunning = false;
        this.refresh();
        this.describe();
    }

    curve() {
        return this.runs[this.runs.length - 1];
    }

    /** Steps, of which the last is shown. Returns whether all went well. */
    async advance(count) {
        await this.making;
        if (!this.net) {
            return false;
        }
        return guarded($('mask-error'), async () => {
            for (let i = 0; i < count; i++) {
                const net = this.net,
                    curve = this.curve();
                const state = await this.engine.call('maskStep', net.id);
                if (net !== this.net) {
                    return;
                }
                this.state = state;
                curve.xs.push(state.step);
                curve.ys.push(state.difference);
            }
            this.draw();
            this.describe();
        });
    }

    /** The heat pictures: gradients share a scale, kernels share a scale. */
    draw() {
        if (!this.net) {
            return;
        }
        const {shape} = this.net,
            zero = new Float32Array(this.net.kernel.length);
        const s = this.state ?? {
            gradient: zero,
            masked: zero,
            mask: this.net.mask,
            kernel: this.net.kernel,
            twin: this.net.twin,
        };
        const shown = {...s, difference: s.kernel.map((value, i) => value - s.twin[i])};
        const gradients = heatLimit(s.gradient, s.masked),
            kernels = heatLimit(s.kernel, s.twin);
        const limits = {
            gradient: gradients,
            masked: gradients,
            mask: heatLimit(s.mask, this.net.mask),
            kernel: kernels,
            twin: kernels,
            difference: heatLimit(shown.difference),
        };
        for (const name of HEATS) {
            drawKernel($(`mask-heat-${name}`), shown[name], shape, limits[name]);
        }
        this.shown = {values: shown, limits, shape};
        $('mask-sign').textContent = (s.difference ?? 0) < ROUNDING ? '=' : '≠';
    }

    /** Everything that is words: labels, legends, the sentence of the result, the plot. */
    describe() {
        if (!this.shown) {
            return;
        }
        const {
            values,
            limits,
            shape: [out, k, , into],
        } = this.shown;
        for (const name of HEATS) {
            const {low, high} = extremes(values[name]);
            $(`mask-heat-${name}`).ariaLabel = t('heat.label', {
                what: t(HEAT_KEYS[name] ?? `mask.${name}`),
                out,
                in: into,
                k,
                range: t('word.range', {low: short(low), high: short(high)}),
            });
        }
        for (const name of ['gradient', 'mask', 'kernel', 'difference']) {
            drawLegend(
                $(`mask-legend-${name}`),
                limits[name],
                short,
                t(`mask.legend.${name}`),
                name === 'mask',
            );
        }
        $('mask-count').textContent = this.state
            ? t('mask.count', {
                  step: whole(this.state.step),
                  loss: fixed(this.state.loss, 4),
                  twin: fixed(this.state.twinLoss, 4),
              })
            : '';
        // Not more often than a screen reader can say it.
        const step = this.state?.step ?? 0;
        if (!this.isRunning || step < this.saidStep || step >= this.saidStep + SAY_STEPS) {
            this.saidStep = step;
            $('mask-result').textContent = this.verdict();
        }
        this.showCurves();
    }

    verdict() {
        if (!this.state) {
            return t('mask.before');
        }
        const {step, difference} = this.state,
            {isMasked, clip} = this.curve();
        const value = differenceWords(difference);
        const isEqual = isMasked && clip !== 'plain';
        if (isEqual && difference < ROUNDING) {
            return t('mask.stays', {step: whole(step), value});
        }
        const cause = !isMasked ? 'mask' : clip === 'plain' ? 'plain' : 'grown';
        return t('mask.leaves', {step: whole(step), value, why: t(`mask.why.${cause}`)});
    }

    curveName({optimizer, isMasked, clip}) {
        return t('mask.curve', {
            optimizer: optimizer === 'sgd' ? 'SGD' : 'AdamW',
            mask: t(isMasked ? 'mask.curve.on' : 'mask.curve.off'),
            clip: clip === 'none' ? '' : t(`mask.curve.${clip}`),
        });
    }

    showCurves() {
        const runs = this.runs.map((run) => ({...run, name: this.curveName(run)}));
        const last = runs[runs.length - 1];
        this.chart.show(
            runs.filter((run) => run.xs.length > 0),
            t('mask.plotlabel', {
                value: scientific(this.state?.difference ?? 0),
                step: this.state?.step ?? 0,
            }),
        );
        $('mask-keys').replaceChildren(
            ...runs.map((run) => {
                const item = make('li', {}, lineKey(run.line), run.name);
                if (run === last) {
                    item.style.fontWeight = '600';
                }
                return item;
            }),
        );
    }
}
