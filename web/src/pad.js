// pad.js - a canvas to draw on, with a pointer or with the keyboard.

/** Pen steps of the arrow keys: a thirtieth of the side. */
const KEY_STEP = 1 / 30;
const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

/** Strokes over a ground. Places are shares of the side, so that the pad may have any size. */
export class Pad {
    /**
     * @param {HTMLCanvasElement} canvas
     * @param {{pen: string, ground: string, width: number, onChange: () => void}} look
     *     width: of the pen, a share of the side
     */
    constructor(canvas, look) {
        this.canvas = canvas;
        this.look = look;
        this.strokes = [];
        this.cursor = null;
        this.isKeyDown = false;
        canvas.width = canvas.height = 280;
        this.listen();
        this.paint();
    }

    get isEmpty() {
        return this.strokes.length === 0;
    }

    clear() {
        this.strokes = [];
        this.changed();
    }

    /** Other colours: the ground changes at once, the pen from the next stroke on. */
    setLook(look) {
        Object.assign(this.look, look);
        this.changed();
    }

    listen() {
        const {canvas} = this;
        const at = (event) => {
            const box = canvas.getBoundingClientRect();
            return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
        };
        canvas.addEventListener('pointerdown', (event) => {
            canvas.setPointerCapture(event.pointerId);
            this.cursor = null;
            this.begin(at(event));
        });
        canvas.addEventListener('pointermove', (event) => {
            if (!canvas.hasPointerCapture(event.pointerId)) {
                return;
            }
            this.extend(at(event));
        });
        canvas.addEventListener('keydown', (event) => this.key(event));
        canvas.addEventListener('blur', () => {
            this.cursor = null;
            this.isKeyDown = false;
            this.paint();
        });
    }

    key(event) {
        const arrow = ARROWS[event.key];
        if (!arrow && event.key !== ' ') {
            return;
        }
        event.preventDefault();
        this.cursor ??= [0.5, 0.5];
        if (!arrow) {
            this.isKeyDown = !this.isKeyDown;
            if (this.isKeyDown) {
                this.begin(this.cursor);
            }
        } else {
            this.cursor = this.cursor.map((p, i) =>
                Math.max(0, Math.min(1, p + KEY_STEP * arrow[i])),
            );
            if (this.isKeyDown) {
                this.extend(this.cursor);
            }
        }
        this.paint();
    }

    begin(point) {
        this.strokes.push({colour: this.look.pen, width: this.look.width, points: [point]});
        this.changed();
    }

    extend(point) {
        this.strokes[this.strokes.length - 1].points.push(point);
        this.changed();
    }

    changed() {
        this.paint();
        this.look.onChange();
    }

    paint() {
        const {canvas} = this,
            context = canvas.getContext('2d');
        this.paintOn(context, canvas.width);
        if (!this.cursor) {
            return;
        }
        const [x, y] = this.cursor.map((p) => p * canvas.width);
        context.strokeStyle = this.isKeyDown ? '#f2a03d' : '#9aa4b2';
        context.lineWidth = 3;
        context.beginPath();
        context.arc(x, y, 9, 0, 2 * Math.PI);
        context.stroke();
    }

    /** Ground and strokes at any size. */
    paintOn(context, side) {
        context.fillStyle = this.look.ground;
        context.fillRect(0, 0, side, side);
        context.lineCap = context.lineJoin = 'round';
        for (const {colour, width, points} of this.strokes) {
            context.strokeStyle = colour;
            context.lineWidth = width * side;
            context.beginPath();
            context.moveTo(points[0][0] * side, points[0][1] * side);
            for (const [x, y] of points.length > 1
                ? points.slice(1)
                : [[points[0][0] + 1e-3, points[0][1]]]) {
                context.lineTo(x * side, y * side);
            }
            context.stroke();
        }
    }

    /** The drawing as a canvas of `side` pixels, smoothed, without the cursor. */
    render(side) {
        const large = new OffscreenCanvas(8 * side, 8 * side);
        this.paintOn(large.getContext('2d'), 8 * side);
        const small = new OffscreenCanvas(side, side),
            context = small.getContext('2d');
        context.imageSmoothingQuality = 'high';
        context.drawImage(large, 0, 0, side, side);
        return small;
    }
}

/** Red, green and blue bytes of a canvas: h, w, c. */
export function colourBytes(canvas) {
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return Uint8Array.from(
        {length: (data.length / 4) * 3},
        (_, i) => data[4 * Math.floor(i / 3) + (i % 3)],
    );
}
