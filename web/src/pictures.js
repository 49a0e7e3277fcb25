// pictures.js - pictures of lesson 1: built in, from a file, from the camera; and their views.
import {t} from './language.js';
import {$} from './controls.js';

/** Width and height of a lesson's picture in pixels. */
export const SIDE = 128;

/** A picture's values from a canvas: h, w, c floats from 0 to 1. */
function valuesOf(canvas) {
    const {data} = canvas.getContext('2d').getImageData(0, 0, SIDE, SIDE);
    const values = new Float32Array(SIDE * SIDE * 3);
    for (let p = 0; p < SIDE * SIDE; p++) {
        for (let c = 0; c < 3; c++) {
            values[3 * p + c] = data[4 * p + c] / 255;
        }
    }
    return values;
}

/** The middle square of anything that a canvas can draw. */
function squareOf(source, width, height) {
    const canvas = new OffscreenCanvas(SIDE, SIDE);
    const context = canvas.getContext('2d');
    const side = Math.min(width, height);
    context.imageSmoothingQuality = 'high';
    context.drawImage(
        source,
        (width - side) / 2,
        (height - side) / 2,
        side,
        side,
        0,
        0,
        SIDE,
        SIDE,
    );
    return valuesOf(canvas);
}

/**
 * Reads the visitor's picture.
 * @param {File} file
 * @returns {Promise<Float32Array>} SIDE x SIDE x 3
 */
export async function pictureFromFile(file) {
    let bitmap;
    try {
        bitmap = await createImageBitmap(file);
    } catch {
        throw new Error(t('picture.badfile', {name: file.name}));
    }
    const values = squareOf(bitmap, bitmap.width, bitmap.height);
    bitmap.close();
    return values;
}

/**
 * Shows the camera in a dialog and takes a still.
 * @returns {Promise<Float32Array|null>} null: the visitor cancelled
 */
export async function pictureFromCamera() {
    let stream;
    try {
        stream = await navigator.mediaDevices.getUserMedia({video: {facingMode: 'user'}});
    } catch (error) {
        throw new Error(t('picture.nocamera', {message: error.name}));
    }
    const dialog = $('camera'),
        video = $('camera-video');
    const taken = await new Promise((resolve) => {
        $('camera-take').onclick = () => {
            resolve(squareOf(video, video.videoWidth, video.videoHeight));
            dialog.close();
        };
        $('camera-cancel').onclick = () => dialog.close();
        dialog.onclose = () => resolve(null);
        video.srcObject = stream;
        dialog.showModal();
        // A dialog closed before the first frame interrupts it; nothing is lost.
        video.play().catch(() => {});
    });
    for (const track of stream.getTracks()) {
        track.stop();
    }
    video.srcObject = null;
    return taken;
}

/** A balloon over hills at dusk: flat areas, hard edges, stripes and a gradient. */
export function builtinPicture() {
    const large = new OffscreenCanvas(4 * SIDE, 4 * SIDE);
    const c = large.getContext('2d');
    c.scale((4 * SIDE) / 100, (4 * SIDE) / 100);
    const sky = c.createLinearGradient(0, 0, 0, 76);
    for (const [at, tone] of [
        [0, '#1d2f6f'],
        [0.45, '#7a4f93'],
        [0.75, '#f08a5d'],
        [1, '#f9d29d'],
    ]) {
        sky.addColorStop(at, tone);
    }
    c.fillStyle = sky;
    c.fillRect(0, 0, 100, 100);
    drawSky(c);
    drawHills(c);
    drawBalloon(c);
    return squareOf(large, 4 * SIDE, 4 * SIDE);
}

function disc(c, x, y, radius, tone) {
    c.fillStyle = tone;
    c.beginPath();
    c.arc(x, y, radius, 0, 2 * Math.PI);
    c.fill();
}

function drawSky(c) {
    for (let i = 0; i < 34; i++) {
        disc(c, (i * 61.8) % 100, (i * 23.7) % 38, i % 3 ? 0.45 : 0.8, '#fff6dd');
    }
    disc(c, 22, 62, 9, '#ffe9b0');
}

function drawHills(c) {
    for (const [base, swing, length, shift, tone] of [
        [66, 7, 33, 1, '#4f4a86'],
        [75, 6, 24, 3, '#2f5d6b'],
        [86, 5, 40, 0, '#1f7a5a'],
    ]) {
        c.fillStyle = tone;
        c.beginPath();
        c.moveTo(0, 100);
        for (let x = 0; x <= 100; x += 2) {
            c.lineTo(x, base + swing * Math.sin((x / length) * 2 + shift));
        }
        c.lineTo(100, 100);
        c.fill();
    }
    c.fillStyle = '#efe3bd';
    c.fillRect(0, 93, 100, 1.2);
    for (let x = 3; x < 100; x += 6) {
        c.fillRect(x, 89, 2.2, 12);
        disc(c, x + 1.1, 89, 1.1, '#efe3bd');
        c.fillStyle = '#efe3bd';
    }
}

function drawBalloon(c) {
    const [x, y, radius] = [64, 34, 22];
    c.save();
    c.beginPath();
    c.arc(x, y, radius, Math.PI * 0.87, Math.PI * 0.13);
    c.lineTo(x + 5, y + 31);
    c.lineTo(x - 5, y + 31);
    c.closePath();
    c.clip();
    const tones = ['#d8352a', '#f7f3e8', '#2274c9', '#f4b51e'];
    for (let i = 0; i < 8; i++) {
        c.fillStyle = tones[i % 4];
        c.fillRect(x - radius + i * (radius / 4), y - radius, radius / 4, 60);
    }
    c.restore();
    c.strokeStyle = '#3b2a1e';
    c.lineWidth = 0.8;
    for (const dx of [-4.5, 0, 4.5]) {
        c.beginPath();
        c.moveTo(x + dx, y + 31);
        c.lineTo(x + dx * 0.7, y + 37);
        c.stroke();
    }
    c.fillStyle = '#7a4a21';
    c.fillRect(x - 4, y + 37, 8, 6);
}

/** The value below which a share of the values lies. */
export function quantile(values, share) {
    const sorted = Float32Array.from(values).sort();
    return sorted[Math.round(share * (sorted.length - 1))];
}

/**
 * Draws values as a picture of SIDE x SIDE.
 * @param {HTMLCanvasElement} canvas
 * @param {Float32Array} values h, w, c
 * @param {number} low shown black
 * @param {number} high shown white
 */
export function drawPicture(canvas, values, low, high) {
    canvas.width = SIDE;
    canvas.height = SIDE;
    const context = canvas.getContext('2d');
    const image = context.createImageData(SIDE, SIDE);
    const factor = 255 / (high - low);
    for (let p = 0; p < SIDE * SIDE; p++) {
        for (let c = 0; c < 3; c++) {
            image.data[4 * p + c] = (values[3 * p + c] - low) * factor;
        }
        image.data[4 * p + 3] = 255;
    }
    context.putImageData(image, 0, 0);
}
