// model_files.js - lesson 3's files: scales and models, in and out.
import {$, choose} from './controls.js';
import {t} from './language.js';
import {bytes as byteWords, fixed} from './numbers.js';
import {settingsKey, trainSettings} from './train_form.js';
import {FILES, modelSettings, safetensorsMetadata} from './train_settings.js';

const MODES = ['hyper_search', 'target', 'normal'];
/** Where a file is looked into before it takes the place of the one before. */
const TRIAL = '/upload/trial.safetensors';

/** Runs an action; what it finds wrong names the visitor's file, not the engine's copy of it. */
async function named(file, path, action) {
    try {
        return await action();
    } catch (error) {
        error.message = error.message.replaceAll(path, file.name);
        throw error;
    }
}

/** Uploads and downloads of a TrainLesson, and which scales there are. */
export class ModelFiles {
    /** @param {import('./train_lesson.js').TrainLesson} lesson */
    constructor(lesson) {
        this.lesson = lesson;
        this.searched = null; /* {width, steps, blocks} */
        this.loaded = null; /* {name, blocks} of the visitor's file */
        this.onFile('train-scale-file', 'train-scale-error', (file) => this.loadScales(file));
        this.onFile('train-model-file', 'train-file-error', (file) => this.loadModel(file));
        $('train-save').addEventListener('click', () => {
            void lesson.queue(() => this.save(), $('train-file-error'));
        });
    }

    onFile(input, place, action) {
        $(input).addEventListener('change', (event) => {
            const [file] = event.target.files;
            event.target.value = '';
            if (file) {
                $('train-file-note').textContent = '';
                void this.lesson.queue(() => action(file), $(place));
            }
        });
    }

    /* ---- scales ---- */

    /** Why there are no scales for these settings, or ''. */
    scaleProblem({source, width}) {
        if (source === 'file') {
            return this.loaded ? '' : t('train.noscales');
        }
        if (!this.searched) {
            return t('train.noscales');
        }
        return this.searched.width === width
            ? ''
            : t('train.otherwidth', {old: this.searched.width, new: width});
    }

    /** What scales there are, as a sentence. */
    scaleWords({source, mode}) {
        if (source === 'file' && this.loaded) {
            return t('train.havefile', this.loaded);
        }
        if (source === 'search' && this.searched) {
            return t('train.havesearch', this.searched);
        }
        return mode === 'target' ? t('train.noscales') : '';
    }

    /** The engine's file of the chosen scales. */
    scaleFile({source}) {
        return source === 'file' ? FILES.scales : FILES.searched;
    }

    async loadScales(file) {
        const content = await this.read(file);
        const rows = await this.inspect(file, content);
        await this.keepScales(file, content, rows);
        this.lesson.setMode('target');
        this.lesson.panels.scales.show(rows, 'target');
    }

    /** The scales in a file. */
    async inspect(file, content) {
        const {engine} = this.lesson;
        await engine.call('fileWrite', TRIAL, content);
        try {
            return await named(file, TRIAL, () => engine.call('scalesInspect', TRIAL));
        } finally {
            await engine.call('fileRemove', TRIAL);
        }
    }

    async keepScales(file, content, rows) {
        await this.lesson.engine.call('fileWrite', FILES.scales, content);
        this.loaded = {name: file.name, blocks: rows.length};
        $('train-scale-source').value = 'file';
    }

    /** The bytes of a safetensors file; anything else is refused before the engine sees it. */
    async read(file) {
        const content = new Uint8Array(await file.arrayBuffer());
        if (!safetensorsMetadata(content)) {
            throw new Error(t('train.notsafe', {name: file.name}));
        }
        return content;
    }

    /* ---- models ---- */

    /** The model as the file that the program writes. */
    async save() {
        const {trainer, engine} = this.lesson;
        const content = await engine.call('trainerSave', trainer.id);
        const name = `repopt-${trainer.settings.mode}-seed${trainer.settings.seed}.safetensors`;
        const url = URL.createObjectURL(new Blob([content]));
        const link = Object.assign(document.createElement('a'), {href: url, download: name});
        link.click();
        setTimeout(() => URL.revokeObjectURL(url), 10000);
        $('train-file-note').textContent = t('train.saved', {
            name,
            size: byteWords(content.length),
        });
    }

    /** A net with the weights of a file, its settings put into the controls. */
    async loadModel(file) {
        const {lesson} = this;
        const content = await this.read(file);
        const asked = modelSettings(safetensorsMetadata(content));
        const mode = asked.mode ?? trainSettings().mode;
        if (!MODES.includes(mode)) {
            throw new Error(t('train.othermode', {name: file.name, mode}));
        }
        const data = asked.data ?? trainSettings().data;
        if (data === 'digits' && !lesson.digits.set.isReady) {
            choose('train-data', data);
            throw new Error(t('train.needdigits', {what: lesson.digits.status()}));
        }
        await lesson.engine.call('fileWrite', FILES.model, content);
        const settings = {...trainSettings(), mode, data};
        const files = {weight: FILES.model, net: asked.net};
        await named(file, FILES.model, () =>
            mode === 'target'
                ? this.openTarget(file, content, settings, files)
                : lesson.open(settings, files),
        );
        this.follow(mode, data, asked.width);
        $('train-file-note').textContent = await this.judge(file.name, mode);
    }

    /**
     * A trained target is a plain net; opened as one, it is not re-initialised. Its scales serve
     * the next run.
     */
    async openTarget(file, content, settings, files) {
        const {lesson} = this;
        const rows = await this.inspect(file, content);
        await lesson.open({...settings, mode: 'normal'}, files, 'target');
        lesson.trainer.isFinished = true;
        lesson.trainer.scales = rows;
        await this.keepScales(file, content, rows);
    }

    /** The controls say what was loaded. */
    follow(mode, data, width) {
        const {lesson} = this;
        choose('train-mode', mode);
        choose('train-data', data);
        const option = [...$('train-width').options].find((o) => Number(o.value) === width);
        if (option) {
            $('train-width').value = option.value;
        }
        lesson.trainer.key = settingsKey();
        lesson.refresh();
    }

    /** What the loaded net reaches. */
    async judge(name, mode) {
        const {lesson} = this;
        await lesson.evaluate();
        await lesson.panels.update();
        const {top1} = lesson.trainer.run.result;
        const words = t('train.loaded', {
            name,
            mode: t(`mode.${mode}`),
            top1: fixed(100 * top1, 1),
        });
        return mode === 'target' ? words + t('train.loadedtarget') : words;
    }
}
