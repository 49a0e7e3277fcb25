// histogram.js - how a block's scales lie, drawn small.
import {colour} from './theme.js';
import {fitCanvas} from './heat.js';

/**
 * Counts values in bins of equal width; values beyond the ends count in the outer bins.
 * @param {ArrayLike<number>} values
 * @param {number} low lower end of the first bin
 * @param {number} high upper end of the last
 * @param {number} count bins
 * @returns {number[]}
 */
export function histogramBins(values, low, high, count) {
    const bins = new Array(count).fill(0);
    for (const value of values) {
        if (!Number.isFinite(value)) {
            continue;
        }
        const at = Math.floor(((value - low) / (high - low)) * count);
        bins[Math.max(0, Math.min(count - 1, at))]++;
    }
    return bins;
}

/** Where a search's s and t start in a block of this name: sqrt(2/i) in the i-th of a stage. */
export function scaleStart(name) {
    const index = Number(/\.(\d+)$/.exec(name)?.[1] ?? 0);
    return index > 0 ? Math.sqrt(2 / index) : 1;
}

/** A block's scales as shares of where they start: {s, t, u}; u starts at 1, or is null. */
function shares({name, s, t, u}) {
    const start = scaleStart(name);
    const divide = (values) => Array.from(values, (value) => value / start);
    return {s: divide(s), t: divide(t), u};
}

/** Ends of a common axis for all rows, as shares of their start: tenths, at least 0.9 to 1.1. */
export function scaleRange(rows) {
    let low = 0.9,
        high = 1.1;
    for (const {s, t, u} of rows.map(shares)) {
        for (const value of [...s, ...t, ...(u ?? [])]) {
            low = Math.min(low, value);
            high = Math.max(high, value);
        }
    }
    return {low: Math.floor(low * 10) / 10, high: Math.ceil(high * 10) / 10};
}

/** Draws s, t and u of one block, each a row of bars, divided by their start (dashed). */
export function drawScales(canvas, row, {low, high}) {
    const {context, width, height, ratio} = fitCanvas(canvas);
    const {s, t, u} = shares(row);
    const sets = [
        ['--one', s],
        ['--two', t],
        ['--three', u],
    ].filter(([, values]) => values);
    const count = 24,
        lane = height / 3;
    const start = ((1 - low) / (high - low)) * width;
    sets.forEach(([tone, values], i) => {
        const bins = histogramBins(values, low, high, count);
        const most = Math.max(...bins, 1);
        context.fillStyle = colour(tone);
        bins.forEach((bin, b) => {
            const tall = (bin / most) * (lane - 3 * ratio);
            context.fillRect(
                (b * width) / count,
                (i + 1) * lane - tall,
                width / count - ratio * 0.5,
                tall,
            );
        });
        context.fillStyle = colour('--rule');
        context.fillRect(0, (i + 1) * lane - ratio, width, ratio);
        context.strokeStyle = colour('--ink');
        context.lineWidth = ratio;
        context.setLineDash([2 * ratio, 2 * ratio]);
        context.beginPath();
        context.moveTo(start, i * lane + 2 * ratio);
        context.lineTo(start, (i + 1) * lane);
        context.stroke();
        context.setLineDash([]);
    });
}
