// run_log.js - the runs of lesson 3: their curves, their table.
import {LINES, RunChart} from './charts.js';
import {$, make} from './controls.js';
import {onLanguage, t} from './language.js';
import {bytes, fixed, whole} from './numbers.js';
import {onTheme} from './theme.js';

/** Every mode has its line, so that colours mean the same in every visit. */
const LINE_OF = {hyper_search: LINES[0], target: LINES[1], normal: LINES[2]};
const COLUMNS = ['run', 'steps', 'loss', 'top1', 'ms', 'parameters', 'memory'];

/** One standard error of an accuracy measured on `count` pictures. */
export function accuracyError(top1, count) {
    return Math.sqrt((top1 * (1 - top1)) / count);
}

/** An evaluation as 65.6 ± 2.1 %. */
function accuracyWords({top1, count}) {
    return `${fixed(100 * top1, 1)} ± ${fixed(100 * accuracyError(top1, count), 1)} %`;
}

/** Weight of the newest loss in the curve: single batches are noisy. */
const SMOOTHING = 0.15;

/** What happened in a run. */
export class Run {
    /**
     * @param {string} mode
     * @param {Object} info as trainerCreate gives it
     * @param {number} perEpoch steps
     */
    constructor(mode, info, perEpoch) {
        const line = LINE_OF[mode] ?? LINES[3];
        Object.assign(this, {mode, info, perEpoch, line, step: 0, ms: 0});
        this.mean = {epoch: 0, count: 0, sum: 0};
        this.losses = {xs: [], ys: []};
        this.accuracies = {xs: [], ys: []};
        this.result = null;
    }

    /** Notes the steps just made, of one epoch; `loss`: their mean. */
    addStep({iteration, loss, ms}) {
        const {xs, ys} = this.losses;
        const count = iteration - this.step,
            epoch = Math.floor(this.step / this.perEpoch);
        const {mean} = this;
        this.mean =
            epoch === mean.epoch
                ? {epoch, count: mean.count + count, sum: mean.sum + count * loss}
                : {epoch, count, sum: count * loss};
        const before = ys.length > 0 ? ys[ys.length - 1] : loss;
        xs.push(iteration);
        ys.push(before + Math.max(SMOOTHING, 1 / (ys.length + 1)) * (loss - before));
        this.step = iteration;
        this.ms = this.ms > 0 ? 0.8 * this.ms + 0.2 * ms : ms;
    }

    /** Notes an evaluation. */
    addResult(result) {
        this.result = result;
        this.accuracies.xs.push(this.step);
        this.accuracies.ys.push(100 * result.top1);
    }

    /** The mean over the epoch so far: the same in every visit, however many steps a call makes. */
    get loss() {
        return this.mean.sum / this.mean.count;
    }
}

/** All runs in two plots and a table; of each mode the newest. */
export class RunLog {
    constructor() {
        this.runs = [];
        this.lossChart = new RunChart($('train-plot-loss'), {format: (v) => fixed(v, 1)});
        this.accuracyChart = new RunChart($('train-plot-accuracy'), {
            format: (v) => fixed(v, 0),
            range: [0, 100],
            hasPoints: true,
        });
        onTheme(() => {
            this.lossChart.rebuild();
            this.accuracyChart.rebuild();
        });
        onLanguage(() => this.show());
        this.show();
    }

    add(run) {
        this.runs = this.runs.filter((other) => other.mode !== run.mode);
        this.runs.push(run);
        this.show();
    }

    /** Keeps one run only, or none. */
    keep(run) {
        this.runs = this.runs.filter((other) => other === run);
        this.show();
    }

    show() {
        const named = this.runs.map((run) => ({
            run,
            name: t(`mode.${run.mode}`),
            line: run.line,
            xMost: run.info.maxIteration,
        }));
        const words = (value) => named.map(({run, name}) => `${name} ${value(run)}`).join(', ');
        this.lossChart.show(
            named.map(({run, ...rest}) => ({...rest, ...run.losses})),
            t('train.plotlabel', {what: t('train.loss'), runs: words((run) => fixed(run.loss))}),
        );
        this.accuracyChart.show(
            named.map(({run, ...rest}) => ({...rest, ...run.accuracies})),
            t('train.plotlabel', {
                what: t('train.accuracy'),
                runs: words((run) =>
                    run.result ? fixed(100 * run.result.top1, 1) : t('train.notyet'),
                ),
            }),
        );
        this.showTable(named);
    }

    showTable(named) {
        const head = make(
            'tr',
            {},
            ...COLUMNS.map((key) => make('th', {scope: 'col', textContent: t(`col.${key}`)})),
        );
        const rows = named.map(({run, name}) => {
            const key = make('span', {className: 'key'});
            key.style.background = `var(${run.line.stroke})`;
            const {result} = run;
            const cells = [
                `${whole(run.step)} / ${whole(run.info.maxIteration)}`,
                fixed(run.loss, 3),
                result ? accuracyWords(result) : '–',
                run.ms > 0 ? fixed(run.ms, 1) : '–',
                whole(run.info.parameters),
                bytes(run.info.memoryBytes),
            ];
            return make(
                'tr',
                {},
                make('th', {scope: 'row'}, key, name),
                ...cells.map((text) => make('td', {textContent: text})),
            );
        });
        if (rows.length === 0) {
            rows.push(
                make('tr', {}, make('td', {colSpan: COLUMNS.length, textContent: t('col.none')})),
            );
        }
        $('train-table').replaceChildren(make('thead', {}, head), make('tbody', {}, ...rows));
    }
}
