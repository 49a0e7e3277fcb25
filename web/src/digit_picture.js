// digit_picture.js - a drawing in MNIST's form: 20 pixels high or wide, in the middle of 28.
import {DIGIT_SIDE, inkBox} from './digits.js';

const LARGE = 8 * DIGIT_SIDE,
    INK_SIDE = 20;
const FONTS = ['sans-serif', 'serif', 'monospace', 'cursive', 'bold sans-serif', 'italic serif'];

function greyBytes(canvas) {
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return Uint8Array.from({length: data.length / 4}, (_, i) => data[4 * i]);
}

/** Bytes of a white-on-black canvas of LARGE pixels, centred and scaled; null where it is blank. */
function normalised(large) {
    const box = inkBox(greyBytes(large), LARGE);
    if (!box) {
        return null;
    }
    const small = new OffscreenCanvas(DIGIT_SIDE, DIGIT_SIDE),
        context = small.getContext('2d');
    const scale = INK_SIDE / Math.max(box.width, box.height);
    const [width, height] = [box.width * scale, box.height * scale];
    context.imageSmoothingQuality = 'high';
    context.fillRect(0, 0, DIGIT_SIDE, DIGIT_SIDE);
    context.drawImage(
        large,
        box.left,
        box.top,
        box.width,
        box.height,
        (DIGIT_SIDE - width) / 2,
        (DIGIT_SIDE - height) / 2,
        width,
        height,
    );
    return greyBytes(small);
}

/** The drawing of a pad as a digit's bytes, or null where nothing is drawn. */
export function digitOfPad(pad) {
    return pad.isEmpty ? null : normalised(pad.render(LARGE));
}

/**
 * A digit typed in one of the browser's fonts, turned and slanted.
 * @param {number} label 0 to 9
 * @param {number} index which of them; the same index is the same picture
 */
export function typedDigit(label, index) {
    const canvas = new OffscreenCanvas(LARGE, LARGE),
        context = canvas.getContext('2d');
    const random = (salt) =>
        (((Math.sin((label * 31 + index) * 12.9898 + salt * 78.233) * 43758.5453) % 1) + 1) % 1;
    const font = FONTS[index % FONTS.length];
    const style = /^(bold|italic) /.exec(font)?.[0] ?? '';
    context.fillRect(0, 0, LARGE, LARGE);
    context.translate(LARGE / 2, LARGE / 2);
    context.rotate((random(1) - 0.5) * 0.5);
    context.transform(1, 0, (random(2) - 0.5) * 0.5, 1, 0, 0);
    context.font = `${style}${LARGE * 0.66}px ${font.replace(style, '')}`;
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    context.fillStyle = '#fff';
    context.fillText(String(label), 0, 0);
    return normalised(canvas);
}
