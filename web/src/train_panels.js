// train_panels.js - the four panels of lesson 3 together: pad, samples, kernel, scales.
import {$, errorWords, latest} from './controls.js';
import {onTheme} from './theme.js';
import {KernelView, SampleView, ScaleView, TryView} from './train_views.js';

/** Between two pictures of kernels and scales while it trains. */
const VIEW_MS = 800;

/** What lesson 3 shows of its net. */
export class TrainPanels {
    /** @param {import('./train_lesson.js').TrainLesson} lesson */
    constructor(lesson) {
        this.lesson = lesson;
        this.samples = new SampleView();
        this.kernel = new KernelView();
        this.scales = new ScaleView();
        this.guess = latest(() => this.askPad());
        this.pad = new TryView(() => void this.guess());
        this.drawn = 0;
        $('train-block').addEventListener('change', () => void this.update());
        $('train-more').addEventListener('click', () => {
            this.samples.next(lesson.trainer?.run.result?.count ?? 0);
            void this.updateSamples();
        });
        onTheme(() => this.scales.draw());
        new ResizeObserver(() => {
            this.kernel.draw();
            this.scales.draw();
        }).observe($('train-kernel'));
    }

    /** Another net: its blocks, its kind of pictures. */
    open({info}) {
        this.kernel.setBlocks(info.blocks);
        this.samples.first = 0;
    }

    /** The pad takes digits or coloured shapes. */
    setData(isDigits) {
        if (this.pad.isDigits !== isDigits) {
            this.pad.setData(isDigits);
        }
    }

    /** No net any more. */
    async close() {
        this.samples.clear();
        await this.guess();
    }

    /** Kernel, scales and guess of the moment. */
    async update() {
        const {trainer, engine} = this.lesson;
        if (!trainer) {
            return;
        }
        this.drawn = performance.now();
        await this.kernel.update(engine, trainer);
        const rows = trainer.scales ?? (await engine.call('trainerScales', trainer.id));
        this.scales.show(rows, trainer.run.mode);
        await this.guess();
    }

    /** The same while it trains: not after every call. */
    async updateSometimes() {
        if (performance.now() - this.drawn > VIEW_MS) {
            await this.update();
        }
    }

    async updateSamples() {
        const {trainer, engine} = this.lesson;
        if (trainer) {
            await this.samples.update(engine, trainer, trainer.run.result?.count ?? 1e9);
        }
    }

    /** What the net says of the drawing; the net may be gone by the time it is asked. */
    async askPad() {
        const {trainer, engine} = this.lesson;
        try {
            await this.pad.update(engine, trainer);
        } catch (error) {
            if (trainer === this.lesson.trainer) {
                $('train-error').textContent = errorWords(error);
            }
        }
    }

    /** Draws what is known in the language and the colours of the moment. */
    draw() {
        this.samples.draw();
        this.pad.draw();
        this.kernel.draw();
        this.scales.draw();
    }
}
