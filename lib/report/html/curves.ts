/** Charts of lines, drawn as SVG, each with its values as a table. */
import { figure, percent } from './format.js';
import { markup, type Markup } from './markup.js';
import type { Chart, CurvesSection, Series } from './report.js';
import { niceTicks } from './ticks.js';

/** Of the drawing, in its own units; it is scaled to the width that there is. */
const size = { width: 420, height: 260 };
const margin = { left: 52, right: 14, top: 24, bottom: 40 };
/** Colours and dashes that page.css has. */
const styles = 8;
/** Markers of more points would hide the line. */
const mostMarkers = 60;

type Scale = (value: number) => number;

interface Axes {
  x: Scale;
  y: Scale;
  xTicks: readonly number[];
  yTicks: readonly number[];
}

function measured({ points }: Series): (readonly [number, number])[] {
  return points.filter((point): point is readonly [number, number] => point[1] !== null);
}

function axesOf({ series, unit }: Chart): Axes | undefined {
  const points = series.flatMap(measured);
  if (points.length === 0) return undefined;
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  // Shares begin at 0, so that a small difference looks small.
  const bottom = unit === 'share' ? 0 : Math.min(...ys);
  const yTicks = niceTicks(bottom, Math.max(...ys), 5);
  const xTicks = niceTicks(Math.min(...xs), Math.max(...xs), 6, 1);
  const [left, right] = [Math.min(...xs), Math.max(Math.max(...xs), Math.min(...xs) + 1)];
  const [low, high] = [yTicks[0]!, yTicks.at(-1)!];
  const inner = {
    width: size.width - margin.left - margin.right,
    height: size.height - margin.top - margin.bottom,
  };
  return {
    x: (value) => round(margin.left + (inner.width * (value - left)) / (right - left)),
    y: (value) => round(margin.top + inner.height * (1 - (value - low) / (high - low))),
    xTicks: xTicks.filter((tick) => tick >= left && tick <= right),
    yTicks,
  };
}

const round = (value: number): number => Math.round(value * 10) / 10;

function grid({ x, y, xTicks, yTicks }: Axes, chart: Chart): Markup {
  const [left, right] = [margin.left, size.width - margin.right];
  const bottom = size.height - margin.bottom;
  // As many digits as tell the ticks apart.
  const digits = yTicks[1]! - yTicks[0]! < 0.01 ? 1 : 0;
  const label = (tick: number) => (chart.unit === 'share' ? percent(tick, digits) : figure(tick));
  return markup`<g class="grid">${yTicks.map(
    (tick) => markup`<line x1="${left}" x2="${right}" y1="${y(tick)}" y2="${y(tick)}"/>
<text x="${left - 6}" y="${y(tick) + 4}" text-anchor="end">${label(tick)}</text>`,
  )}${xTicks.map(
    (tick) => markup`<text x="${x(tick)}" y="${bottom + 17}" text-anchor="middle">${tick}</text>`,
  )}<text x="${(left + right) / 2}" y="${size.height - 6}" text-anchor="middle">${chart.x}</text></g>`;
}

/** A line at an x, its label above the drawing so that no curve runs through it. */
function markOf({ x }: Axes, { mark }: Chart): Markup | null {
  if (!mark) return null;
  const place = x(mark.x);
  const anchor = place < size.width * 0.2 ? 'start' : place > size.width * 0.9 ? 'end' : 'middle';
  return markup`<g class="mark"><line x1="${place}" x2="${place}" y1="${margin.top - 6}" y2="${size.height - margin.bottom}"/>
<text x="${place}" y="${margin.top - 10}" text-anchor="${anchor}">${mark.label}</text></g>`;
}

/** The line's parts between gaps, and markers that say their values when pointed at. */
function lineOf(series: Series, style: number, { x, y }: Axes, chart: Chart): Markup {
  const points = measured(series);
  let gap = true;
  const path = series.points
    .map(([px, py]) => {
      if (py === null) {
        gap = true;
        return '';
      }
      const command = gap ? 'M' : 'L';
      gap = false;
      return `${command}${x(px)} ${y(py)}`;
    })
    .join('');
  const markers = points.length > mostMarkers ? [] : points;
  return markup`<g class="series s${style % styles}"><path d="${path}"/>${markers.map(
    ([px, py]) =>
      markup`<circle cx="${x(px)}" cy="${y(py)}" r="3"><title>${series.name}, ${chart.x} ${px}: ${valueText(py, chart)}</title></circle>`,
  )}</g>`;
}

function valueText(value: number | null, { unit }: Chart): string {
  return unit === 'share' ? percent(value, 2) : figure(value);
}

/** What the lines do, in a sentence. */
function summaryOf(chart: Chart): string {
  const lines = chart.series.map((series) => {
    const points = measured(series);
    const [first, last] = [points[0], points.at(-1)];
    if (!first || !last) return `${series.name}: nothing measured`;
    return `${series.name}: ${valueText(first[1], chart)} at ${chart.x} ${first[0]}, ${valueText(last[1], chart)} at ${chart.x} ${last[0]}`;
  });
  return `${chart.title}. ${lines.join('; ')}.`;
}

function valuesTable(chart: Chart): Markup {
  const xs = [...new Set(chart.series.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
  const columns = chart.series.map(({ points }) => new Map(points));
  return markup`<details><summary>Values of ${chart.title}</summary><div class="scroll" tabindex="0" role="group" aria-label="Values of ${chart.title}">
<table><thead><tr><th scope="col" class="number">${chart.x}</th>${chart.series.map(
    ({ name }) => markup`<th scope="col" class="number">${name}</th>`,
  )}</tr></thead><tbody>${xs.map(
    (x) =>
      markup`<tr><th scope="row" class="number">${x}</th>${columns.map(
        (points) => markup`<td class="number">${valueText(points.get(x) ?? null, chart)}</td>`,
      )}</tr>`,
  )}</tbody></table></div></details>`;
}

function chartFigure(chart: Chart): Markup {
  const axes = axesOf(chart);
  const drawing = axes
    ? markup`<svg viewBox="0 0 ${size.width} ${size.height}" role="img" aria-label="${summaryOf(chart)}">
${grid(axes, chart)}${chart.series.map((series, i) => lineOf(series, i, axes, chart))}${markOf(axes, chart)}</svg>`
    : markup`<p>Nothing was measured.</p>`;
  return markup`<figure class="chart"><figcaption>${chart.title}</figcaption>${drawing}
<ul class="lines">${chart.series.map(
    ({ name }, i) =>
      markup`<li><svg viewBox="0 0 24 8" aria-hidden="true" class="series s${i % styles}"><path d="M0 4H24"/></svg>${name}</li>`,
  )}</ul>${valuesTable(chart)}</figure>`;
}

export function curvesMarkup({ charts }: CurvesSection): Markup {
  return markup`<div class="charts">${charts.map(chartFigure)}</div>`;
}
