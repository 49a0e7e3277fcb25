// numbers.js - how the page writes numbers.

/** With blanks at which no line ends. */
const TIMES = '\u00a0×\u00a0';
const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹';

/** A small number as 2.4 × 10⁻⁷; zero as 0. */
export function scientific(value) {
    if (value === 0) {
        return '0';
    }
    if (!Number.isFinite(value)) {
        return value > 0 ? '∞' : Number.isNaN(value) ? '–' : '−∞';
    }
    const [mantissa, exponent] = value.toExponential(1).split('e');
    const digits = String(Math.abs(Number(exponent)))
        .split('')
        .map((d) => SUPERSCRIPTS[d])
        .join('');
    return `${minus(mantissa)}${TIMES}10${Number(exponent) < 0 ? '⁻' : ''}${digits}`;
}

/** A difference: 0.12, and 2.4 × 10⁻⁷ where it is small. */
export function difference(value) {
    return value >= 0.01 && Number.isFinite(value)
        ? String(Number(value.toPrecision(2)))
        : scientific(value);
}

/** A power of ten as 10⁻⁷; other numbers as scientific() has them. */
export function power(value) {
    return scientific(value).replace(`1.0${TIMES}10`, '10');
}

/** `digits` places behind the point, with a proper minus sign. */
export function fixed(value, digits = 2) {
    return Number.isFinite(value)
        ? minus(value.toFixed(digits).replace(/^-(0(\.0*)?)$/, '$1'))
        : '–';
}

/** About three significant digits: a learning rate, the end of a scale. */
export function short(value) {
    if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5)) {
        return scientific(value);
    }
    return minus(String(Number(value.toPrecision(3))));
}

/** Bytes as kB or MB. */
export function bytes(count) {
    return count < 1e6 ? `${Math.ceil(count / 1e3)} kB` : `${(count / 1e6).toFixed(1)} MB`;
}

/** A whole number with thin spaces between thousands. */
export function whole(value) {
    return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, '\u2009');
}

function minus(text) {
    return text.replace('-', '−');
}
