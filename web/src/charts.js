// charts.js - curves of several runs in one plot (uPlot), apart by colour and by dashes.
import uPlot from '../vendor/uPlot.esm.js';
import {colour} from './theme.js';

/** Colour (a custom property) and dashes of the lines, in the order of their runs. */
export const LINES = [
    {stroke: '--one', dash: []},
    {stroke: '--two', dash: [9, 4]},
    {stroke: '--three', dash: [2, 4]},
    {stroke: '--four', dash: [12, 4, 2, 4]},
];

/** A short piece of a line, as it is in the plot, for a legend. */
export function lineKey(line) {
    const space = 'http://www.w3.org/2000/svg';
    const svg = document.createElementNS(space, 'svg');
    svg.setAttribute('viewBox', '0 0 30 8');
    svg.setAttribute('aria-hidden', 'true');
    const path = document.createElementNS(space, 'path');
    path.setAttribute('d', 'M0 4h30');
    path.setAttribute('stroke-width', '2.5');
    path.style.stroke = `var(${line.stroke})`;
    path.setAttribute('stroke-dasharray', line.dash.join(' '));
    svg.append(path);
    return svg;
}

/** Curves over one axis of whole steps. Each has numbers of its own along it. */
export class RunChart {
    /**
     * @param {HTMLElement} host an element of fixed height
     * @param {{isLog?: boolean, range?: [number, number], format: (v: number) => string,
     *          hasPoints?: boolean, band?: () => {limit: number, label: string}}} options
     *     band: a shaded strip from the bottom up to a value
     */
    constructor(host, options) {
        this.host = host;
        this.options = options;
        this.runs = [];
        host.setAttribute('role', 'img');
        this.observer = new ResizeObserver(() => this.resize());
        this.observer.observe(host);
    }

    /**
     * Shows runs.
     * @param {{name: string, line: Object, xs: number[], ys: number[], xMost?: number}[]} runs
     * @param {string} label the plot in words
     */
    show(runs, label) {
        this.host.setAttribute('aria-label', label);
        const layout = runs.map((run) => run.name + run.line.stroke).join('|');
        const isNew = layout !== this.layout || !this.plot;
        this.runs = runs;
        this.layout = layout;
        if (isNew) {
            this.rebuild();
        } else {
            this.plot.setData(this.data());
        }
    }

    /** Draws anew, in the colours of the day. */
    rebuild() {
        this.plot?.destroy();
        this.plot = new uPlot(this.layoutOptions(), this.data(), this.host);
    }

    /** The end of the axis: where the longest run will end, or has come. */
    xMost(high) {
        return Math.max(10, high ?? 0, ...this.runs.map((run) => run.xMost ?? 0));
    }

    resize() {
        if (this.plot && this.host.clientWidth > 0) {
            this.plot.setSize({width: this.host.clientWidth, height: this.host.clientHeight});
        }
    }

    data() {
        const isLog = this.options.isLog;
        const tables = this.runs.map((run) => [
            run.xs,
            isLog ? run.ys.map((y) => (y > 0 ? y : null)) : run.ys,
        ]);
        if (tables.length === 0) {
            return [[0], ...[]];
        }
        return uPlot.join(
            tables,
            tables.map((table) => table.map(() => 2)),
        );
    }

    layoutOptions() {
        const {isLog, range, format} = this.options;
        const axis = {
            stroke: colour('--soft'),
            font: '12px system-ui, sans-serif',
            grid: {stroke: colour('--rule'), width: 1},
            ticks: {stroke: colour('--rule'), width: 1},
        };
        return {
            width: this.host.clientWidth || 300,
            height: this.host.clientHeight || 250,
            legend: {show: false},
            cursor: {show: false},
            scales: {
                x: {time: false, range: (u, low, high) => [0, this.xMost(high)]},
                y: isLog ? {distr: 3, range: logRange} : {range: range ?? lineRange},
            },
            axes: [
                {...axis, size: 32, values: (u, ticks) => ticks.map((v) => (v % 1 ? '' : v))},
                {
                    ...axis,
                    size: 46,
                    values: (u, ticks) => ticks.map(format),
                    ...(isLog ? {splits: decades, filter: (u, ticks) => ticks} : {}),
                },
            ],
            series: [
                {},
                ...this.runs.map((run) => ({
                    label: run.name,
                    stroke: colour(run.line.stroke),
                    width: 2,
                    dash: run.line.dash,
                    points: {
                        show: Boolean(this.options.hasPoints),
                        size: 6,
                        fill: colour(run.line.stroke),
                    },
                    spanGaps: true,
                })),
            ],
            hooks: {drawClear: [(u) => this.drawBand(u)], draw: [(u) => this.drawBandName(u)]},
        };
    }

    /** Top of the band in the canvas's own pixels. */
    bandTop(u, limit) {
        const {top, height} = u.bbox;
        return Math.max(top, Math.min(top + height, u.valToPos(limit, 'y', true)));
    }

    /** The band lies below the grid, its name above. */
    drawBand(u) {
        const band = this.options.band?.();
        if (!band) {
            return;
        }
        const {left, top, width, height} = u.bbox;
        const y = this.bandTop(u, band.limit);
        u.ctx.save();
        u.ctx.globalAlpha = 0.12;
        u.ctx.fillStyle = colour('--three');
        u.ctx.fillRect(left, y, width, top + height - y);
        u.ctx.restore();
    }

    drawBandName(u) {
        const band = this.options.band?.();
        if (!band) {
            return;
        }
        const {left, top, width, height} = u.bbox;
        const y = this.bandTop(u, band.limit) + 18 * devicePixelRatio;
        u.ctx.save();
        u.ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
        u.ctx.fillStyle = colour('--three');
        u.ctx.textAlign = 'right';
        u.ctx.fillText(band.label, left + width - 8, Math.min(top + height - 6, y));
        u.ctx.restore();
    }
}

function logRange(u, low, high) {
    return [
        Math.min(1e-9, 10 ** Math.floor(Math.log10(low || 1e-9))),
        Math.max(1, 10 ** Math.ceil(Math.log10(high || 1))),
    ];
}

function decades(u, axis, low, high) {
    const ticks = [];
    for (let e = 2 * Math.ceil(Math.log10(low) / 2); e <= Math.log10(high) + 1e-9; e += 2) {
        ticks.push(10 ** e);
    }
    return ticks;
}

function lineRange(u, low, high) {
    return [0, Math.max(0.5, high ?? 0) * 1.08];
}
