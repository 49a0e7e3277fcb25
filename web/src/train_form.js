// train_form.js - what the controls of lesson 3 say.
import {$, chosen, seedOf} from './controls.js';
import {t} from './language.js';
import {LIMITS} from './train_settings.js';

/** The settings of a run, as trainPairs takes them. */
export function trainSettings() {
    return {
        mode: chosen('train-mode'),
        data: chosen('train-data'),
        lr: Number($('train-lr').value),
        width: Number($('train-width').value),
        epochs: Number($('train-epochs').value),
        batch: Number($('train-batch').value),
        count: Number($('train-count').value),
        seed: seedOf($('train-seed')),
        source: $('train-scale-source').value,
    };
}

/** The settings as a text that differs wherever a run would. */
export function settingsKey(settings = trainSettings()) {
    const isTarget = settings.mode === 'target';
    return JSON.stringify({...settings, source: isTarget ? settings.source : ''});
}

/** Why a number cannot be trained with, or ''. */
export function numberProblem(settings) {
    for (const [key, [low, high]] of Object.entries(LIMITS)) {
        const value = settings[key];
        if (!(value >= low && value <= high) || (key === 'epochs' && value % 1 !== 0)) {
            const what = t(key === 'lr' ? 'word.lr' : 'train.epochs');
            return t('train.badnumber', {what, low, high});
        }
    }
    return '';
}
