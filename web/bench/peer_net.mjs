// peer_net.mjs - the classifier of `cls-tiny-target` in TensorFlow.js, and the time of its steps.
//
// Imports nothing: node and the page hand it their own `tf`.
const SIDE = 28, CLASSES = 10, MOST_SECONDS = 30;
const BLOCKS = [ // output channels and stride of every conv3x3-BN-ReLU
    [16, 1], [16, 1], [16, 1], [32, 2], [32, 1], [64, 2], [64, 1], [128, 2]];

function build(tf) {
    const {layers} = tf;
    let y = tf.input({shape: [SIDE, SIDE, 1]});
    const picture = y;
    for (const [filters, strides] of BLOCKS) {
        y = layers.conv2d({filters, strides, kernelSize: 3, padding: 'same', useBias: false})
            .apply(y);
        y = layers.reLU().apply(layers.batchNormalization().apply(y));
    }
    y = layers.dense({units: CLASSES, activation: 'softmax'})
        .apply(layers.globalAveragePooling2d({}).apply(y));
    const net = tf.model({inputs: picture, outputs: y});
    net.compile({optimizer: tf.train.momentum(0.01, 0.9, true), loss: 'categoricalCrossentropy'});
    return net;
}

/**
 * Times training steps on one batch, which stays where the backend keeps it.
 * @param {object} tf the library
 * @param {{backend: string, batch: number, warmup: number, steps: number, minMs: number}} how
 * @returns {Promise<object>} times in ms of every step, versions
 */
export async function timeSteps(tf, {backend, batch, warmup, steps, minMs}) {
    if (!await tf.setBackend(backend)) { throw new Error(`no backend "${backend}" here`); }
    await tf.ready();
    const net = build(tf);
    const x = tf.randomNormal([batch, SIDE, SIDE, 1]);
    const labels = Int32Array.from({length: batch}, (_, i) => i * 7 % CLASSES);
    const y = tf.oneHot(tf.tensor1d(labels, 'int32'), CLASSES).toFloat();
    const ms = [], start = performance.now();
    for (let i = 0, timed = 0; i < warmup + steps || timed < minMs; i++) {
        const begin = performance.now();
        const loss = await net.trainOnBatch(x, y);
        const took = performance.now() - begin;
        if (!(loss > 0 && loss < 100)) { throw new Error(`the loss became ${loss}`); }
        if (i >= warmup) { ms.push(took), timed += took; }
        if (ms.length > 0 && performance.now() - start > 1e3 * MOST_SECONDS) { break; }
    }
    return {backend: tf.getBackend(), version: tf.version_core, ms};
}
