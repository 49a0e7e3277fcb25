// digits.js - the visitor's digits: the set, what it lacks, and IDX files of it.

/** Side of a picture, as MNIST has it, and drawings wanted of each label. */
export const DIGIT_SIDE = 28,
    LEAST_OF_EACH = 4;
/** Pictures of an epoch: fewer drawings come several times, moved about by the trainer. */
const EPOCH_PICTURES = 640;
/** Every fourth drawing of a label is kept back for the test. */
const TEST_EVERY = 4;

/** Drawings by label, in the order in which they came. */
export class DigitSet {
    constructor() {
        this.clear();
    }

    clear() {
        this.drawings = Array.from({length: 10}, () => []);
    }

    /** Adds a picture, DIGIT_SIDE x DIGIT_SIDE bytes. */
    add(label, pixels) {
        this.drawings[label].push(pixels);
    }

    get count() {
        return this.drawings.reduce((sum, list) => sum + list.length, 0);
    }

    /** Labels that have drawings. */
    get labels() {
        return this.drawings.flatMap((list, label) => (list.length > 0 ? [label] : []));
    }

    /** What is still needed of labels begun: [{label, count}]. */
    missing() {
        return this.labels
            .map((label) => ({label, count: LEAST_OF_EACH - this.drawings[label].length}))
            .filter(({count}) => count > 0);
    }

    get isReady() {
        return this.labels.length >= 2 && this.missing().length === 0;
    }

    /** Pictures and labels to train on and to test with. */
    split() {
        const parts = {train: [], test: []};
        this.drawings.forEach((list, label) =>
            list.forEach((pixels, i) => {
                parts[i % TEST_EVERY === TEST_EVERY - 1 ? 'test' : 'train'].push({pixels, label});
            }),
        );
        return parts;
    }

    /**
     * The four files of a data set of kind mnist.
     * @returns {[string, Uint8Array][]} names and bytes
     */
    files() {
        const {train, test} = this.split();
        const times = Math.max(1, Math.ceil(EPOCH_PICTURES / train.length));
        const often = Array.from({length: times}, () => train).flat();
        return [
            ['train', often],
            ['t10k', test],
        ].flatMap(([split, items]) => [
            [
                `${split}-images-idx3-ubyte`,
                idxImages(
                    items.map((item) => item.pixels),
                    DIGIT_SIDE,
                ),
            ],
            [`${split}-labels-idx1-ubyte`, idxLabels(items.map((item) => item.label))],
        ]);
    }
}

/** An IDX file of the given dimensions, its elements zero: header and room for them. */
function idxFile(dims) {
    const header = 4 + 4 * dims.length;
    const bytes = new Uint8Array(header + dims.reduce((a, b) => a * b, 1));
    bytes[2] = 8;
    bytes[3] = dims.length;
    dims.forEach((dim, i) => new DataView(bytes.buffer).setUint32(4 + 4 * i, dim));
    return {bytes, header};
}

/** Pictures of side x side bytes as an IDX file: {n, h, w}. */
export function idxImages(pictures, side) {
    const {bytes, header} = idxFile([pictures.length, side, side]);
    pictures.forEach((pixels, i) => bytes.set(pixels, header + i * side * side));
    return bytes;
}

/** Labels as an IDX file: {n}. */
export function idxLabels(labels) {
    const {bytes, header} = idxFile([labels.length]);
    bytes.set(labels, header);
    return bytes;
}

/** The smallest box around bytes above a threshold, or null: {left, top, width, height}. */
export function inkBox(pixels, side, threshold = 40) {
    let left = side,
        top = side,
        right = -1,
        bottom = -1;
    for (let i = 0; i < side * side; i++) {
        if (pixels[i] <= threshold) {
            continue;
        }
        const x = i % side,
            y = Math.floor(i / side);
        left = Math.min(left, x);
        right = Math.max(right, x);
        top = Math.min(top, y);
        bottom = Math.max(bottom, y);
    }
    return right < 0 ? null : {left, top, width: right - left + 1, height: bottom - top + 1};
}
