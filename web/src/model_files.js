// model_files.js - lesson 3's files: scales and models, in and out.
import {$, choose} from './controls.js';
import {t} from './language.js';
import {bytes as byteWords, fixed} from './numbers.js';
import {settingsKey, trainSettings} from './train_form.js';
import {FILES, modelSettings, safetensorsMetadata} from './train_settings.js';

const MODES = ['hyper_search', 'target', 'normal'];
/** Where a file is looked into before it takes the place of the one before. */
const TRIAL = '/upload/trial.safetensors';

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
        const {engine, panels} = this.lesson;
        const content = await this.read(file);
        await engine.call('fileWrite', TRIAL, content);
        let rows;
        try {
            rows = await engine.call('scalesInspect', TRIAL);
        } finally {
            await engine.call('fileRemove', TRIAL);
        }
        await engine.call('fileWrite', FILES.scales, content);
        this.loaded = {name: file.name, blocks: rows.length};
        $('train-scale-source').value = 'file';
        this.lesson.setMode('target');
        panels.scales.show(rows, 'target');
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
        const name = `repopt-${trainer.run.mode}-seed${trainer.settings.seed}.safetensors`;
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
        await lesson.open(settings, {
            weight: FILES.model,
            net: asked.net,
            scale: mode === 'target' ? FILES.model : undefined,
        });
        this.follow(mode, data, asked.width);
        $('train-file-note').textContent = await this.judge(file.name, mode);
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
        return t('train.loaded', {name, mode: t(`mode.${mode}`), top1: fixed(100 * top1, 1)});
    }
}
