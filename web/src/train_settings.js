// train_settings.js - what lesson 3's settings mean to the trainer, and what a model file says.

/** Files of the engine's own file system. */
export const FILES = {
    searched: '/upload/search.safetensors',
    scales: '/upload/scales.safetensors',
    model: '/upload/model.safetensors',
    digits: '/digits',
};

/** Numbers that a visitor may give, checked before the trainer sees them. */
export const LIMITS = {lr: [0.0001, 1], epochs: [1, 100]};

const list = (...values) => `(${values.join(',')})`;

/** Widths of the four stages of a net whose first stage has `width` channels. */
export function stageWidths(width) {
    return [width, 2 * width, 4 * width, 8 * width];
}

function dataPairs(settings) {
    if (settings.data === 'digits') {
        return [
            ['DATASETS.NAME', 'mnist'],
            ['DATASETS.ROOT', FILES.digits],
            ['INPUT.PAD', '3'],
            ['INPUT.PIXEL_MEAN', '(0.1307)'],
            ['INPUT.PIXEL_STD', '(0.3081)'],
        ];
    }
    return [
        ['DATASETS.NAME', 'drawn'],
        ['DATASETS.DRAWN_COUNT_TRAIN', String(settings.count)],
        ['DATASETS.DRAWN_COUNT_TEST', '500'],
        ['INPUT.PAD', '2'],
        ['INPUT.PIXEL_MEAN', '(0.5,0.5,0.5)'],
        ['INPUT.PIXEL_STD', '(0.25,0.25,0.25)'],
    ];
}

/** The net that the page's width stands for. */
export function netPairs(width) {
    return [
        ['MODEL.VGG.NUM_BLOCKS', list(1, 2, 2, 1)],
        ['MODEL.VGG.WIDTHS', list(...stageWidths(width))],
        ['MODEL.VGG.STRIDES', list(1, 2, 2, 2, 1)],
    ];
}

/**
 * Settings as the trainer's KEY VALUE pairs.
 * @param {{mode: string, data: string, width: number, lr: number, epochs: number, batch: number,
 *          count: number, seed: number}} settings
 * @param {{scale?: string, weight?: string, net?: [string, string][]}} [files]
 *     scale: file of the searched scales; weight: of initial weights; net: its own MODEL.VGG pairs
 * @returns {[string, string][]}
 */
export function trainPairs(settings, files = {}) {
    const pairs = [
        ['TRAINING_MODE', settings.mode],
        ['SEED', String(settings.seed)],
        ...(files.net ?? netPairs(settings.width)),
        ...dataPairs(settings),
        ['INPUT.TO_BGR255', 'false'],
        ['INPUT.FLIP_PROB_TRAIN', '0'],
        ['SOLVER.OPTIMIZER', 'sgd'],
        ['SOLVER.BASE_LR', String(settings.lr)],
        ['SOLVER.BIAS_LR_FACTOR', '1'],
        ['SOLVER.MOMENTUM', '0.9'],
        ['SOLVER.NESTEROV', 'true'],
        ['SOLVER.WEIGHT_DECAY', '0.0005'],
        ['SOLVER.IMS_PER_BATCH', String(settings.batch)],
        ['SOLVER.EPOCHS', String(settings.epochs)],
        ['SOLVER.SCHEDULE', 'cosine_shifted'],
        ['SOLVER.WARMUP_METHOD', 'ramp'],
        ['SOLVER.WARMUP_EPOCHS', settings.epochs > 1 ? '1' : '0.5'],
        ['SOLVER.CHECKPOINT_PERIOD', '0'],
        ['TEST.IMS_PER_BATCH', '100'],
    ];
    if (files.scale) {
        pairs.push(['SCALE', files.scale]);
    }
    if (files.weight) {
        pairs.push(['MODEL.WEIGHT', files.weight]);
    }
    return pairs;
}

/**
 * The metadata of a safetensors file.
 * @param {Uint8Array} bytes
 * @returns {Object<string, string>|null} null: the bytes are no safetensors file
 */
export function safetensorsMetadata(bytes) {
    if (bytes.length < 10) {
        return null;
    }
    const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
    if (length > bytes.length - 8) {
        return null;
    }
    try {
        const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
        return header.__metadata__ ?? {};
    } catch {
        return null;
    }
}

/**
 * The pairs of a configuration as the program dumps it: sections by two blanks, a key a line.
 * @param {string} yaml
 * @returns {Map<string, string>} such as 'MODEL.VGG.WIDTHS' to '[8, 16, 32, 64]'
 */
export function configPairs(yaml) {
    const pairs = new Map(),
        path = [];
    for (const line of yaml.split('\n')) {
        const found = /^( *)([A-Za-z0-9_]+):(?: (.*))?$/.exec(line);
        if (!found) {
            continue;
        }
        path.length = found[1].length / 2;
        path.push(found[2]);
        if (found[3] !== undefined) {
            pairs.set(path.join('.'), found[3]);
        }
    }
    return pairs;
}

const NET_KEYS = [
    'NUM_BLOCKS',
    'WIDTHS',
    'WIDTH_MUL',
    'DEPTH_MUL',
    'STRIDES',
    'STAGE0_WIDTH',
    'KERNEL_SIZE',
    'ACT',
    'SE',
    'SCALE_INIT',
].map((key) => `MODEL.VGG.${key}`);

/**
 * What a model file asks for: mode, data and net.
 * @param {Object<string, string>} metadata
 * @returns {{mode?: string, data?: string, width?: number, net?: [string, string][]}}
 */
export function modelSettings(metadata) {
    const pairs = configPairs(metadata.config ?? '');
    const net = NET_KEYS.filter((key) => pairs.has(key)).map((key) => [key, pairs.get(key)]);
    const width = Number(/\d+/.exec(pairs.get('MODEL.VGG.WIDTHS') ?? '')?.[0]);
    const name = pairs.get('DATASETS.NAME');
    return {
        mode: metadata.mode,
        width: Number.isFinite(width) ? width : undefined,
        data:
            name === 'drawn' ? 'drawn' : name === 'mnist' || name === 'idx' ? 'digits' : undefined,
        net: net.length > 0 ? net : undefined,
    };
}
