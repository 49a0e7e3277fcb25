// train_lesson.js - lesson 3: the trainer's controls and its loop.
import {$, choose, chosen, disable, guarded} from './controls.js';
import {DigitsPanel} from './digits_panel.js';
import {onLanguage, t} from './language.js';
import {fixed, whole} from './numbers.js';
import {Run, RunLog, accuracyError} from './run_log.js';
import {ModelFiles} from './model_files.js';
import {numberProblem, settingsKey, trainSettings} from './train_form.js';
import {FILES, trainPairs} from './train_settings.js';
import {TrainPanels} from './train_panels.js';

/** One call into the engine aims at this, so that the page and its sliders stay quick. */
const CALL_MS = 160;

/** Lesson 3. */
export class TrainLesson {
    constructor() {
        this.trainer = null;
        this.isRunning = false;
        this.work = Promise.resolve();
        this.queued = 0;
        this.log = new RunLog();
        this.panels = new TrainPanels(this);
        this.digits = new DigitsPanel(() => this.digitsChanged());
        this.files = new ModelFiles(this);
        this.listen();
        this.relabel();
        onLanguage(() => this.relabel());
    }

    /** Begins to compute. */
    start(engine) {
        this.engine = engine;
        this.refresh();
    }

    /** The settings have come from a link. */
    restore() {
        this.refresh();
    }

    listen() {
        for (const control of $('train').querySelectorAll('.controls input, .controls select')) {
            if (control.type !== 'file') {
                control.addEventListener('change', () => this.refresh());
            }
        }
        for (const input of document.querySelectorAll('input[name="train-data"]')) {
            input.addEventListener('change', () => this.showData());
        }
        $('train-start').addEventListener('click', () => this.toggle());
        $('train-step').addEventListener('click', () => this.stepOnce());
        $('train-reset').addEventListener('click', () => this.reset());
        $('train-forget').addEventListener('click', () => this.log.keep(this.trainer?.run));
    }

    /* ---- settings ---- */

    /** Why these settings cannot be trained, or ''. */
    problem(settings) {
        const wrong = numberProblem(settings);
        if (wrong) {
            return wrong;
        }
        if (settings.data === 'digits' && !this.digits.set.isReady) {
            return t('train.needdigits', {what: this.digits.status()});
        }
        return settings.mode === 'target' ? this.files.scaleProblem(settings) : '';
    }

    /** Whether the controls still say what the trainer was made with. */
    isStale() {
        return !this.trainer || this.trainer.key !== settingsKey();
    }

    /** Everything that depends on the controls. */
    refresh() {
        const settings = trainSettings(),
            problem = this.problem(settings);
        const isLive = this.trainer && !this.isStale() && !this.trainer.isFinished;
        $('train-mode-note').textContent = t(`mode.note.${settings.mode}`);
        $('train-scale-source').disabled = settings.mode !== 'target';
        $('train-scale-note').textContent = this.files.scaleWords(settings);
        disable($('train-count'), null, settings.data === 'digits' ? t('data.digits') : '');
        const isBlocked = Boolean(problem) && !isLive && !this.isRunning;
        $('train-start').disabled = isBlocked || !this.engine;
        $('train-step').disabled = isBlocked || this.isRunning || !this.engine;
        $('train-save').disabled = !this.trainer;
        $('train-start').textContent = t(
            this.isRunning
                ? 'word.pause'
                : isLive && this.trainer.run.step > 0
                  ? 'word.resume'
                  : 'word.start',
        );
        if (!this.isRunning) {
            $('train-result').textContent = problem || this.sentence();
        }
        this.showData();
    }

    showData() {
        const isDigits = chosen('train-data') === 'digits';
        $('digits').hidden = !isDigits;
        const shown = this.trainer ? this.trainer.info.channels === 1 : isDigits;
        this.panels.setData(shown);
    }

    digitsChanged() {
        if (this.trainer?.info.channels === 1) {
            this.trainer.key = 'other drawings';
        }
        this.refresh();
    }

    /** The state of the run in a sentence. */
    sentence() {
        const {trainer} = this;
        if (!trainer) {
            return t('train.before');
        }
        if (this.isStale()) {
            return t('train.stale');
        }
        const {run} = trainer,
            {result} = run,
            mode = t(`mode.${run.mode}`);
        const top1 = result ? `${fixed(100 * result.top1, 1)} %` : t('train.notyet');
        if (!trainer.isFinished || !result) {
            return t('train.running', {mode, loss: fixed(run.loss, 3), top1});
        }
        const error = `${fixed(100 * accuracyError(result.top1, result.count), 1)} %`;
        const next = run.mode === 'hyper_search' ? t('train.next.hyper_search') : '';
        return t('train.done', {mode, top1, count: whole(result.count), error}) + next;
    }

    /* ---- the loop ---- */

    /** Actions that change the trainer run one after the other. */
    queue(action, place = $('train-error')) {
        $('train').dataset.busy = String(++this.queued);
        this.work = this.work
            .then(() => guarded(place, action))
            .then((isFine) => {
                this.refresh();
                if (--this.queued === 0) {
                    delete $('train').dataset.busy;
                }
                return isFine;
            });
        return this.work;
    }

    toggle() {
        if (this.isRunning) {
            this.isRunning = false;
            return;
        }
        this.isRunning = true;
        this.refresh();
        void this.queue(async () => {
            try {
                await this.prepare();
                while (this.isRunning && !this.trainer.isFinished) {
                    await this.advance(this.pace());
                }
            } finally {
                this.isRunning = false;
            }
            await this.settle();
        });
    }

    stepOnce() {
        void this.queue(async () => {
            await this.prepare();
            await this.advance(1);
            await this.settle();
        });
    }

    reset() {
        this.isRunning = false;
        void this.queue(async () => {
            if (!this.trainer) {
                return;
            }
            const {run, id} = this.trainer;
            this.trainer = null;
            this.log.runs = this.log.runs.filter((other) => other !== run);
            this.log.show();
            await this.engine.call('trainerDestroy', id);
            this.showLine();
            await this.panels.close();
        });
    }

    /** A trainer for the settings, unless there is one that can go on. */
    async prepare() {
        if (!this.isStale() && !this.trainer.isFinished) {
            return;
        }
        const settings = trainSettings();
        const files = settings.mode === 'target' ? {scale: this.files.scaleFile(settings)} : {};
        await this.open(settings, files);
    }

    /**
     * Makes a trainer; the one before stays where that fails.
     * @param {Object} settings as trainSettings gives them
     * @param {Object} files as trainPairs takes them
     * @param {string} [mode] what the run is shown as
     */
    async open(settings, files, mode = settings.mode) {
        $('train-count-line').textContent = t('train.preparing');
        if (settings.data === 'digits') {
            for (const [name, bytes] of this.digits.set.files()) {
                await this.engine.call('fileWrite', `${FILES.digits}/${name}`, bytes);
            }
        }
        let info;
        try {
            info = await this.engine.call('trainerCreate', {pairs: trainPairs(settings, files)});
        } finally {
            this.showLine();
        }
        if (this.trainer) {
            await this.engine.call('trainerDestroy', this.trainer.id);
        }
        const perEpoch = Math.max(1, Math.round(info.maxIteration / settings.epochs));
        const run = new Run(mode, info, perEpoch);
        this.trainer = {
            id: info.id,
            info,
            run,
            perEpoch,
            settings,
            isFinished: false,
            key: settingsKey(settings),
        };
        this.log.add(run);
        $('train-result').textContent = this.sentence();
        this.panels.open(this.trainer);
        this.showData();
        this.showLine();
    }

    /** Steps of the next call: some 160 ms, and no further than the end of the epoch. */
    pace() {
        const {run, perEpoch, info} = this.trainer;
        const wanted = run.ms > 0 ? Math.max(1, Math.round(CALL_MS / run.ms)) : 1;
        const end = Math.min(info.maxIteration, (Math.floor(run.step / perEpoch) + 1) * perEpoch);
        return Math.max(1, Math.min(wanted, end - run.step));
    }

    async advance(count) {
        const {trainer} = this,
            {run, info} = trainer;
        const done = await this.engine.call('trainerStep', trainer.id, count);
        run.addStep(done);
        trainer.epoch = done.epoch;
        trainer.isFinished = run.step >= info.maxIteration;
        if (trainer.isFinished || run.step % trainer.perEpoch === 0) {
            await this.evaluate();
        } else {
            this.log.show();
        }
        this.showLine();
        await this.panels.updateSometimes();
    }

    async evaluate() {
        const {run, id} = this.trainer;
        run.addResult(await this.engine.call('trainerEvaluate', id));
        this.log.show();
        $('train-result').textContent = this.sentence();
        await this.panels.updateSamples();
    }

    /** After a pause, a step or the end: pictures of the moment, and a search's scales kept. */
    async settle() {
        const {run, id, settings, info} = this.trainer;
        if (run.mode === 'hyper_search' && run.step > 0) {
            await this.engine.call(
                'fileWrite',
                FILES.searched,
                await this.engine.call('trainerSave', id),
            );
            this.files.searched = {
                width: settings.width,
                steps: run.step,
                blocks: info.blocks.length,
            };
        }
        await this.panels.updateSamples();
        await this.panels.update();
    }

    /* ---- what it shows ---- */

    showLine() {
        const {trainer} = this;
        $('train-progress').value = trainer ? trainer.run.step / trainer.info.maxIteration : 0;
        $('train-count-line').textContent = trainer
            ? t('train.line', {
                  step: whole(trainer.run.step),
                  all: whole(trainer.info.maxIteration),
                  epoch: Math.min(
                      trainer.settings.epochs,
                      Math.floor(trainer.run.step / trainer.perEpoch) + 1,
                  ),
                  ms: fixed(trainer.run.ms, 1),
              })
            : '';
    }

    relabel() {
        this.refresh();
        this.showLine();
        this.panels.draw();
    }

    /** Chooses a mode, as the visitor would. */
    setMode(mode) {
        choose('train-mode', mode);
        this.refresh();
    }
}
