// presets.js - kernels to begin lesson 1 with, stored c_out, kh, kw, c_in.

/** Shares of red, green and blue in the brightness that an eye sees (Rec. 601). */
const GREY = [0.299, 0.587, 0.114];

/** Rows of Pascal's triangle: a bell of k taps, of sum 1. */
function bell(k) {
    let row = [1];
    while (row.length < k) {
        row = [...row, 0].map((value, i) => value + (i > 0 ? row[i - 1] : 0));
    }
    const sum = 2 ** (k - 1);
    return row.map((value) => value / sum);
}

/** k x k taps of one channel: a blur, or what it takes away (edges). */
function plane(name, k) {
    const taps = bell(k);
    const blur = taps.flatMap((a) => taps.map((b) => a * b));
    if (name === 'blur') {
        return blur;
    }
    const centre = (k * k - 1) / 2;
    return blur.map((value, i) => (i === centre ? 1 : 0) - value);
}

/**
 * The kernels and scales of a preset.
 * @param {'edge'|'blur'|'sharpen'} name
 * @param {number} k side of the large kernel
 * @returns {{conv: Float32Array, one: Float32Array, scales: {s: number, t: number, u: number}}}
 */
export function presetKernels(name, k) {
    const taps = plane(name, k);
    const conv = new Float32Array(3 * k * k * 3);
    for (let o = 0; o < 3; o++) {
        for (let tap = 0; tap < k * k; tap++) {
            conv[(o * k * k + tap) * 3 + o] = taps[tap];
        }
    }
    const one = Float32Array.from({length: 9}, (_, i) => GREY[i % 3]);
    const scales = {
        edge: {s: 2, t: 0.4, u: 0},
        blur: {s: 1, t: 0.3, u: -0.3},
        sharpen: {s: 1.5, t: 0.25, u: 0.75},
    };
    return {conv, one, scales: scales[name]};
}
