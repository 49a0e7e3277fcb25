// mask_form.js - the controls of lesson 2: what they say, and what cannot be chosen now.
import {$, chosen, disable, seedOf, showSlider, sliderValue} from './controls.js';
import {t} from './language.js';

const SLIDERS = ['momentum', 'lr', 'decay', 'clip-norm'];

/** Keeps the numbers beside the sliders while they move; `onChange` after every change. */
export function listenToMaskForm(onChange) {
    for (const name of SLIDERS) {
        $(`mask-${name}`).addEventListener('input', (event) => showSlider(event.target));
    }
    for (const control of $('mask').querySelectorAll('.controls input, .controls select')) {
        control.addEventListener('change', onChange);
    }
}

/** What the controls say, as maskCreate takes it. */
export function maskSettings() {
    return {
        kernel: Number($('mask-kernel').value),
        channels: Number($('mask-channels').value),
        optimizer: chosen('mask-optimizer'),
        nesterov: $('mask-nesterov').checked && !$('mask-nesterov').disabled,
        momentum: sliderValue($('mask-momentum')),
        decay: sliderValue($('mask-decay')),
        lr: sliderValue($('mask-lr')),
        isMasked: $('mask-on').checked,
        clip: $('mask-clip').value,
        clipNorm: sliderValue($('mask-clip-norm')),
        seed: seedOf($('mask-seed')),
    };
}

/** Numbers beside the sliders, and what cannot be chosen now, with the reason. */
export function refreshMaskForm() {
    for (const name of SLIDERS) {
        showSlider($(`mask-${name}`));
    }
    const isAdam = chosen('mask-optimizer') === 'adamw';
    const isStill = sliderValue($('mask-momentum')) === 0;
    disable(
        $('mask-nesterov'),
        $('mask-nesterov-why'),
        isAdam ? t('mask.no.nesterov') : isStill ? t('mask.no.still') : '',
    );
    disable($('mask-momentum'), $('mask-momentum-why'), isAdam ? t('mask.no.momentum') : '');
    const clip = $('mask-clip'),
        isMasked = $('mask-on').checked;
    if (!isMasked && clip.value === 'masked') {
        clip.value = 'plain';
    }
    clip.querySelector('[value="masked"]').disabled = !isMasked;
    const isFree = clip.value === 'none';
    disable($('mask-clip-norm'), null, isFree ? t('mask.no.norm') : '');
    $('mask-clip-why').textContent = [
        isMasked ? '' : t('mask.no.weighted'),
        isFree ? t('mask.no.norm') : '',
    ]
        .join(' ')
        .trim();
}
