// main.js - starts the page: language, colours, settings of the link, engine, lessons.
import {connect} from './client.js';
import {$} from './controls.js';
import {onLanguage, preferredLanguage, setLanguage, t} from './language.js';
import {MergeLesson} from './merge_lesson.js';
import {bytes} from './numbers.js';
import {decodeSettings, encodeSettings, readSettings, writeSettings} from './share.js';
import {setTheme} from './theme.js';

/** What the browser keeps between visits; a browser that keeps nothing is fine, too. */
const kept = {
    get(key) {
        try {
            return localStorage.getItem(key);
        } catch {
            return null;
        }
    },
    set(key, value) {
        try {
            localStorage.setItem(key, value);
        } catch {
            /* private mode: forgotten */
        }
    },
};

const lessons = {};
let defaults = {};

function startLook() {
    const start = preferredLanguage(kept.get('language'), navigator.language);
    $('language').value = start;
    $('language').addEventListener('change', () => {
        kept.set('language', $('language').value);
        setLanguage($('language').value);
    });
    const theme = kept.get('theme') ?? 'auto';
    $('theme').value = theme;
    $('theme').addEventListener('change', () => {
        kept.set('theme', $('theme').value);
        setTheme($('theme').value);
    });
    setTheme(theme);
    setLanguage(start);
}

/* ---- settings in the address ---- */

function startSharing() {
    document.querySelector('main').addEventListener('change', () => {
        history.replaceState(null, '', `#${encodeSettings(readSettings(), defaults)}`);
    });
    addEventListener('hashchange', () => {
        if (!location.hash.includes('=')) {
            return;
        }
        writeSettings(decodeSettings(location.hash, defaults));
        for (const lesson of Object.values(lessons)) {
            void lesson.restore();
        }
    });
    $('share').addEventListener('click', async () => {
        history.replaceState(null, '', `#${encodeSettings(readSettings(), defaults)}`);
        let said = 'share.done';
        try {
            await navigator.clipboard.writeText(location.href);
        } catch {
            said = 'share.byhand';
        }
        $('share').textContent = t(said);
        setTimeout(() => {
            $('share').textContent = t('share.button');
        }, 2500);
    });
}

/** Links to lessons move the focus there and leave the address, which holds the settings. */
function startJumps() {
    for (const link of document.querySelectorAll('[data-jump]')) {
        link.addEventListener('click', (event) => {
            event.preventDefault();
            const section = document.querySelector(link.getAttribute('href'));
            section.scrollIntoView();
            section.focus({preventScroll: true});
        });
    }
}

/* ---- engine ---- */

function breakDown(sentence) {
    $('engine-status').className = 'engine is-broken';
    $('engine-status').textContent = sentence;
    $('engine-progress').classList.add('is-done');
}

function showEngine(info) {
    const threads = info.threads > 1 ? t('engine.many', {count: info.threads}) : t('engine.one');
    $('engine-status').className = 'engine is-ready';
    $('engine-status').textContent = t('engine.ready', {
        version: info.version,
        threads,
        variant: t(`engine.${info.variant}`),
        memory: bytes(info.memoryBytes),
    });
    $('engine-progress').classList.add('is-done');
}

async function startEngine() {
    $('engine-status').textContent = t('engine.loading');
    if (typeof WebAssembly !== 'object') {
        breakDown(t('engine.nowasm'));
        return null;
    }
    try {
        const engine = await connect((share) => {
            $('engine-progress').value = share;
        });
        let say = () => showEngine(engine.info);
        engine.onGone = () => {
            say = () => breakDown(t('engine.gone'));
            say();
        };
        onLanguage(() => say());
        say();
        return engine;
    } catch (error) {
        breakDown(
            error.message ? t('engine.failed', {message: error.message}) : t('engine.noworker'),
        );
        return null;
    }
}

/* ---- lessons ---- */

/** Loads the code of a lesson when its section comes near, or at once for `now`. */
function whenNear(section, load) {
    const observer = new IntersectionObserver(
        (entries) => {
            if (!entries.some((entry) => entry.isIntersecting)) {
                return;
            }
            observer.disconnect();
            void load();
        },
        {rootMargin: '700px'},
    );
    observer.observe(section);
}

function startLater(name, path, className, engine) {
    whenNear($(name), async () => {
        const module = await import(path);
        lessons[name] = new module[className]();
        await lessons[name].start(engine);
        $(name).dataset.ready = 'true';
    });
}

async function startOffline({variant}) {
    if (!('serviceWorker' in navigator) || location.protocol === 'file:') {
        return;
    }
    try {
        await navigator.serviceWorker.register(`sw.js?engine=${variant}`);
        await navigator.serviceWorker.ready;
        const say = () => {
            $('offline-note').textContent = t('page.offline');
        };
        onLanguage(say);
        say();
    } catch {
        // The page works without it; only not without a network.
    }
}

async function start() {
    lessons.merge = new MergeLesson();
    startLook();
    defaults = readSettings();
    writeSettings(decodeSettings(location.hash, defaults));
    startSharing();
    startJumps();
    const engine = await startEngine();
    if (!engine) {
        return;
    }
    await lessons.merge.start(engine);
    $('merge').dataset.ready = 'true';
    startLater('mask', './mask_lesson.js', 'MaskLesson', engine);
    startLater('train', './train_lesson.js', 'TrainLesson', engine);
    await startOffline(engine.info);
}

void start();
