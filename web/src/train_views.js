// train_views.js - what lesson 3 shows of a net: guesses, kernels, scales.
import {$, make} from './controls.js';
import {digitOfPad} from './digit_picture.js';
import {DIGIT_LOOK} from './digits_panel.js';
import {DIGIT_SIDE} from './digits.js';
import {drawKernel, drawLegend, extremes, heatLimit} from './heat.js';
import {drawScales, scaleRange} from './histogram.js';
import {className, t} from './language.js';
import {fixed, short} from './numbers.js';
import {Pad, colourBytes} from './pad.js';

const SAMPLE_COUNT = 12;

/** Index of the largest of `count` values from `first` on. */
export function largestIndex(values, first, count) {
    let best = 0;
    for (let i = 1; i < count; i++) {
        if (values[first + i] > values[first + best]) {
            best = i;
        }
    }
    return best;
}

/** Fresh pictures of the test split with the net's guesses. */
export class SampleView {
    constructor() {
        this.first = 0;
        this.shown = null;
    }

    /** Takes the next pictures of the test split. */
    next(count) {
        this.first = count > SAMPLE_COUNT ? (this.first + SAMPLE_COUNT) % count : 0;
    }

    /** Asks the net; draws. `count`: pictures of the test split. */
    async update(engine, {id, info}, count) {
        const wanted = Math.min(SAMPLE_COUNT, Math.max(1, count - this.first));
        const samples = await engine.call('trainerSamples', id, this.first, wanted);
        const shares = await engine.call('trainerPredict', id, samples.pictures, wanted);
        this.shown = {info, samples, shares, count: wanted};
        this.draw();
    }

    clear() {
        this.shown = null;
        this.draw();
    }

    draw() {
        if (!this.shown) {
            $('train-samples').replaceChildren();
            $('samples-note').textContent = t('samples.none');
            return;
        }
        const {info, samples, shares, count} = this.shown;
        const classes = info.classNames.length,
            size = info.height * info.width * info.channels;
        let right = 0;
        $('train-samples').replaceChildren(
            ...Array.from({length: count}, (_, i) => {
                const guess = largestIndex(shares, i * classes, classes),
                    label = samples.labels[i];
                const isRight = guess === label;
                right += isRight;
                const words = {
                    guess: className(info.classNames[guess]),
                    label: className(info.classNames[label]),
                };
                const canvas = make('canvas', {
                    role: 'img',
                    ariaLabel: t('samples.label', words),
                    width: info.width,
                    height: info.height,
                });
                drawBytes(canvas, samples.pictures.subarray(i * size, (i + 1) * size), info);
                return make(
                    'li',
                    {className: isRight ? 'is-right' : 'is-wrong'},
                    canvas,
                    make('b', {textContent: t(isRight ? 'samples.right' : 'samples.wrong', words)}),
                );
            }),
        );
        $('samples-note').textContent = t('samples.note', {right, count});
    }
}

/** A picture of the data set, bytes h, w, c. */
function drawBytes(canvas, bytes, {width, height, channels}) {
    const context = canvas.getContext('2d'),
        image = context.createImageData(width, height);
    for (let p = 0; p < width * height; p++) {
        for (let c = 0; c < 3; c++) {
            image.data[4 * p + c] = bytes[channels * p + (c % channels)];
        }
        image.data[4 * p + 3] = 255;
    }
    context.putImageData(image, 0, 0);
}

/** A pad whose drawing the net names while it is drawn. */
export class TryView {
    /** @param {() => void} onChange the drawing has changed: ask the net */
    constructor(onChange) {
        this.pad = new Pad($('try-pad'), {pen: '', ground: '', width: 0.09, onChange});
        for (const id of ['try-colour', 'try-ground']) {
            $(id).addEventListener('input', () => this.setData(this.isDigits));
        }
        $('try-clear').addEventListener('click', () => this.pad.clear());
        this.setData(false);
    }

    /** Colours for shapes, white on black for digits. */
    setData(isDigits) {
        this.isDigits = isDigits;
        for (const id of ['try-colour', 'try-ground']) {
            $(id).disabled = isDigits;
        }
        this.pad.setLook(
            isDigits
                ? DIGIT_LOOK
                : {pen: $('try-colour').value, ground: $('try-ground').value, width: 0.12},
        );
    }

    /** Asks the net; null: there is none. */
    async update(engine, trainer) {
        this.shown = null;
        if (trainer) {
            const {info, id} = trainer;
            const pixels =
                info.channels === 1
                    ? (digitOfPad(this.pad) ?? new Uint8Array(DIGIT_SIDE ** 2))
                    : colourBytes(this.pad.render(info.width));
            this.shown = {info, shares: await engine.call('trainerPredict', id, pixels, 1)};
        }
        this.draw();
    }

    draw() {
        const shown = this.shown;
        const names = shown ? shown.info.classNames.map(className) : [];
        $('try-note').textContent = shown
            ? t('try.drawn', {names: names.join(t('word.comma'))})
            : t('try.none');
        const best = shown ? largestIndex(shown.shares, 0, names.length) : -1;
        $('try-bars').replaceChildren(
            ...names.map((name, i) => {
                const bar = make('i');
                bar.style.transform = `scaleX(${shown.shares[i]})`;
                const share = make('span', {
                    className: 'share',
                    textContent: `${fixed(100 * shown.shares[i], 0)} %`,
                });
                return make(
                    'li',
                    {className: i === best ? 'is-first' : ''},
                    make('span', {className: 'name', textContent: name}),
                    bar,
                    share,
                );
            }),
        );
        $('try-result').textContent =
            shown && !this.pad.isEmpty
                ? t('try.result', {name: names[best], share: fixed(100 * shown.shares[best], 0)})
                : '';
    }
}

/** One block's kernel as it is trained. */
export class KernelView {
    /** Lists the blocks of a new net and keeps the choice where the net has it, too. */
    setBlocks(blocks) {
        const select = $('train-block'),
            before = select.selectedIndex;
        select.replaceChildren(
            ...blocks.map((block, i) =>
                make('option', {
                    value: String(i),
                    textContent: `${block.name} · ${block.cIn} → ${block.cOut}`,
                }),
            ),
        );
        select.selectedIndex = before >= 0 && before < blocks.length ? before : 0;
    }

    async update(engine, {id, info}) {
        const index = Math.max(0, $('train-block').selectedIndex);
        this.shown = {
            ...(await engine.call('trainerKernel', id, index)),
            name: info.blocks[index].name,
        };
        this.draw();
    }

    draw() {
        if (!this.shown) {
            return;
        }
        const {shape, values, name} = this.shown,
            limit = heatLimit(values);
        const {low, high} = extremes(values);
        drawKernel($('train-kernel'), values, shape, limit, true);
        drawLegend($('train-legend'), limit, short);
        $('train-kernel').ariaLabel = t('heat.label', {
            what: t('train.kernelname', {name}),
            out: shape[0],
            in: shape[3],
            k: shape[1],
            range: t('word.range', {low: fixed(low), high: fixed(high)}),
        });
    }
}

/** The scales of every block as histograms over one axis. */
export class ScaleView {
    /**
     * Shows rows as trainerScales or scalesInspect give them.
     * @param {{name: string, s: number[], t: number[], u: number[]|null}[]} rows
     * @param {string} mode what was trained
     */
    show(rows, mode) {
        this.rows = rows;
        this.mode = mode;
        this.draw();
    }

    draw() {
        const {rows} = this;
        if (!rows || rows.length === 0) {
            $('train-scales-note').textContent = t(
                this.mode === 'normal' ? 'scales.plain' : 'scales.none',
            );
            $('train-histograms').replaceChildren();
            return;
        }
        const range = scaleRange(rows);
        const ends = {low: fixed(range.low, 1), high: fixed(range.high, 1)};
        $('train-scales-note').textContent = t('scales.key', {range: t('word.range', ends)});
        const figures = rows.map((row) =>
            make(
                'figure',
                {},
                make('canvas', {role: 'img'}),
                make('figcaption', {textContent: row.name}),
            ),
        );
        $('train-histograms').replaceChildren(...figures);
        rows.forEach((row, i) => {
            const canvas = figures[i].firstChild;
            drawScales(canvas, row, range);
            canvas.ariaLabel = t('scales.label', {name: row.name, rows: scaleWords(row)});
        });
    }
}

function scaleWords(row) {
    return ['s', 't', 'u']
        .filter((letter) => row[letter])
        .map((letter) => {
            const values = row[letter],
                {low, high} = extremes(values);
            const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
            return t('scales.row', {letter, low: fixed(low), high: fixed(high), mean: fixed(mean)});
        })
        .join('; ');
}
