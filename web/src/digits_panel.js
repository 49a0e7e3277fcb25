// digits_panel.js - the visitor's own digits: choose a label, draw, add.
import {$, make} from './controls.js';
import {digitOfPad, typedDigit} from './digit_picture.js';
import {DigitSet, LEAST_OF_EACH} from './digits.js';
import {onLanguage, t} from './language.js';
import {Pad} from './pad.js';

/** How a digit is drawn: white on black, as MNIST's. */
export const DIGIT_LOOK = {pen: '#ffffff', ground: '#000000', width: 0.09};
const TYPED_OF_EACH = 12;

/** Part of lesson 3. `set` holds the drawings. */
export class DigitsPanel {
    /** @param {() => void} onChange after every drawing that comes or goes */
    constructor(onChange) {
        this.set = new DigitSet();
        this.onChange = onChange;
        this.pad = new Pad($('digits-pad'), {...DIGIT_LOOK, onChange: () => {}});
        this.counts = [];
        for (let label = 0; label < 10; label++) {
            const input = make('input', {
                type: 'radio',
                name: 'digits-label',
                value: String(label),
                id: `digits-label-${label}`,
                checked: label === 0,
            });
            input.dataset.private = '';
            this.counts.push(make('small'));
            $('digits-labels').append(
                make('label', {}, input, make('span', {}, String(label), this.counts[label])),
            );
        }
        $('digits-add').addEventListener('click', () => this.add());
        $('digits-clear').addEventListener('click', () => this.pad.clear());
        $('digits-typed').addEventListener('click', () => this.fill());
        $('digits-empty').addEventListener('click', () => {
            this.set.clear();
            this.changed();
        });
        $('digits-pad').addEventListener('keydown', (event) => {
            if (event.key === 'Enter') {
                this.add();
            }
        });
        onLanguage(() => this.describe());
        this.describe();
    }

    add() {
        const pixels = digitOfPad(this.pad);
        $('digits-error').textContent = pixels ? '' : t('digits.blank');
        if (!pixels) {
            return;
        }
        this.set.add(
            Number(document.querySelector('input[name="digits-label"]:checked').value),
            pixels,
        );
        this.pad.clear();
        this.changed();
    }

    /** Typed digits up to the same number of each label. */
    fill() {
        for (let label = 0; label < 10; label++) {
            for (let i = this.set.drawings[label].length; i < TYPED_OF_EACH; i++) {
                this.set.add(label, typedDigit(label, i));
            }
        }
        this.changed();
    }

    changed() {
        $('digits-error').textContent = '';
        this.describe();
        this.onChange();
    }

    /** What the set has and lacks, as a sentence. */
    status() {
        const {set} = this,
            missing = set.missing();
        if (missing.length > 0) {
            const words = missing.map(({label, count}) => t('digits.missing', {label, count}));
            return t('digits.status.need', {
                count: set.count,
                missing: words.join(t('word.comma')),
            });
        }
        if (set.count === 0) {
            return t('digits.status.none');
        }
        if (!set.isReady) {
            return t('digits.status.two', {count: set.count});
        }
        const {train, test} = set.split();
        return t('digits.status.ready', {
            count: set.count,
            labels: set.labels.length,
            train: train.length,
            test: test.length,
        });
    }

    describe() {
        this.set.drawings.forEach((list, label) => {
            this.counts[label].textContent = list.length;
        });
        $('digits-lead').textContent = t('digits.lead', {least: LEAST_OF_EACH});
        $('digits-status').textContent = this.status();
    }
}
