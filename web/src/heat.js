// heat.js - kernels as heat pictures: blue below zero, white at zero, orange above.
//
// The two ends differ from the middle in lightness alike, and from each other in hue, for every
// common colour blindness. Pictures that are compared get one limit, and a legend that says it.

const STOPS = [
    [-1, 8, 64, 129],
    [-0.5, 78, 148, 214],
    [0, 252, 252, 250],
    [0.5, 244, 160, 80],
    [1, 166, 62, 0],
];

/** Red, green and blue, 0 to 255, of a value between -1 and 1; values beyond are cut. */
export function heatColour(value) {
    const v = Math.max(-1, Math.min(1, Number.isFinite(value) ? value : 0));
    let i = 1;
    while (i < STOPS.length - 1 && v > STOPS[i][0]) {
        i++;
    }
    const [from, to] = [STOPS[i - 1], STOPS[i]];
    const share = (v - from[0]) / (to[0] - from[0]);
    return [1, 2, 3].map((c) => Math.round(from[c] + share * (to[c] - from[c])));
}

/** The largest absolute value of several arrays, rounded up to two digits; 1 where all are zero. */
export function heatLimit(...arrays) {
    let most = 0;
    for (const array of arrays) {
        for (const value of array) {
            most = Math.max(most, Math.abs(value));
        }
    }
    if (most === 0 || !Number.isFinite(most)) {
        return 1;
    }
    const unit = 10 ** (Math.floor(Math.log10(most)) - 1);
    return Math.ceil(most / unit) * unit;
}

/** Smallest and largest value. */
export function extremes(values) {
    let low = Infinity,
        high = -Infinity;
    for (const value of values) {
        low = Math.min(low, value);
        high = Math.max(high, value);
    }
    return {low, high};
}

/** Gives a canvas as many pixels as it has on the screen; returns its context and size. */
export function fitCanvas(canvas) {
    const ratio = globalThis.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    const height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    if (canvas.width !== width || canvas.height !== height) {
        canvas.width = width;
        canvas.height = height;
    }
    const context = canvas.getContext('2d');
    context.clearRect(0, 0, width, height);
    return {context, width, height, ratio};
}

/** Where tiles begin along one axis: each of `taps` cells, a gap between two, all in the middle. */
function tileEdges(size, count, taps, tile, gap) {
    const first = (size - count * tile - (count - 1) * gap) / 2;
    return (index, tap) => Math.round(first + index * (tile + gap) + (tap * tile) / taps);
}

/**
 * Draws a kernel, a tile of kh x kw square cells for each pair of channels.
 * @param {HTMLCanvasElement} canvas
 * @param {ArrayLike<number>} values stored c_out, kh, kw, c_in
 * @param {number[]} shape [c_out, kh, kw, c_in]
 * @param {number} limit the value of the fullest colour
 * @param {boolean} [isWide] c_out runs to the right rather than down, and wraps where c_in is 1
 */
export function drawKernel(canvas, values, shape, limit, isWide = false) {
    const [cOut, kh, kw, cIn] = shape;
    const {context, width, height} = fitCanvas(canvas);
    const across = isWide ? (cIn === 1 ? Math.ceil(cOut / Math.ceil(cOut / 8)) : cOut) : cIn;
    const down = (cOut * cIn) / across;
    const share = across * down > 400 ? 0.05 : 0.09;
    const tile = Math.min(
        width / (across + share * (across + 1)),
        height / (Math.ceil(down) + share * (Math.ceil(down) + 1)),
    );
    const x = tileEdges(width, across, kw, tile, share * tile);
    const y = tileEdges(height, Math.ceil(down), kh, tile, share * tile);
    for (let o = 0; o < cOut; o++) {
        for (let i = 0; i < cIn; i++) {
            const at = isWide ? i * cOut + o : o * cIn + i;
            const column = at % across,
                row = Math.floor(at / across);
            for (let tap = 0; tap < kh * kw; tap++) {
                const v = Math.floor(tap / kw),
                    u = tap % kw;
                const [left, top] = [x(column, u), y(row, v)];
                const tone = heatColour(values[(o * kh * kw + tap) * cIn + i] / limit);
                context.fillStyle = `rgb(${tone.join(',')})`;
                context.fillRect(left, top, x(column, u + 1) - left, y(row, v + 1) - top);
            }
        }
    }
}

/** The legend of one limit as a row: low end, colours, high end; `isPositive`: from zero on. */
export function drawLegend(element, limit, format, name = '', isPositive = false) {
    const steps = [];
    for (let i = 0; i <= 8; i++) {
        const value = isPositive ? i / 8 : i / 4 - 1;
        steps.push(`rgb(${heatColour(value).join(',')})`);
    }
    const bar = document.createElement('i');
    bar.style.background = `linear-gradient(90deg, ${steps.join(',')})`;
    const end = (value) => {
        const span = document.createElement('span');
        span.textContent = format(value);
        return span;
    };
    const parts = [end(isPositive ? 0 : -limit), bar, end(limit)];
    if (name) {
        const title = document.createElement('b');
        title.textContent = name;
        parts.unshift(title);
    }
    element.replaceChildren(...parts);
}
