/** Charts of lines, drawn as SVG, each with its values as a table. */
import { figure, percent } from './format.js';
import { markup, type Markup } from './markup.js';
import type { Chart, CurvesSection, Series } from './report.js';
import { niceTicks, tickLabels } from './ticks.js';

/** Size of the drawing in its own units; the page scales it to the available width. */
const size = { width: 380, height: 240 };
/** Min margins; wider labels extend them. */
const margin = { left: 44, right: 14, top: 24, bottom: 40 };
/** Max width of a digit in labels, which page.css sets in 13 units. */
const letterWidth = 8.5;
/** Number of line styles in page.css. */
const styles = 8;
/** With more points, markers would hide the line. */
const mostMarkers = 60;

type Scale = (value: number) => number;

interface Tick {
  value: number;
  label: string;
}

interface Axes {
  x: Scale;
  y: Scale;
  xTicks: readonly Tick[];
  yTicks: readonly Tick[];
  left: number;
  right: number;
}

function measured({ points }: Series): (readonly [number, number])[] {
  return points.filter((point): point is readonly [number, number] => point[1] !== null);
}

const widthOf = (label: string): number => letterWidth * label.length;
const widestOf = (labels: readonly string[]): number => Math.max(...labels.map(widthOf));

function yTicksOf(ys: readonly number[], unit: Chart['unit']): Tick[] {
  const [low, high] = [Math.min(...ys), Math.max(...ys)];
  // Shares begin at 0, so that a small difference looks small; a constant is drawn at half height.
  const around = unit === 'number' && low === high ? Math.abs(low) / 2 : 0;
  const values = niceTicks(unit === 'share' ? 0 : low - around, high + around, 5);
  const labels = tickLabels(values, unit);
  return values.map((value, i) => ({ value, label: labels[i]! }));
}

/** As many ticks as the width allows for their labels. */
function xTicksOf(low: number, high: number, room: number): Tick[] {
  const widest = widestOf(tickLabels([low, high], 'number')) + letterWidth;
  const values = niceTicks(low, high, Math.max(1, Math.min(6, Math.floor(room / widest))), 1);
  const labels = tickLabels(values, 'number');
  return values
    .map((value, i) => ({ value, label: labels[i]! }))
    .filter(({ value }) => value >= low && value <= high);
}

function axesOf({ series, unit }: Chart): Axes | undefined {
  const points = series.flatMap(measured);
  if (points.length === 0) return undefined;
  const xs = points.map(([x]) => x);
  const yTicks = yTicksOf(
    points.map(([, y]) => y),
    unit,
  );
  const [first, last] = [Math.min(...xs), Math.max(Math.max(...xs), Math.min(...xs) + 1)];
  const [low, high] = [yTicks[0]!.value, yTicks.at(-1)!.value];
  const left = Math.max(margin.left, widestOf(yTicks.map(({ label }) => label)) + 8);
  const xTicks = xTicksOf(first, last, size.width - left - margin.right);
  // The label of the last tick stands below its middle.
  const right = size.width - Math.max(margin.right, widestOf(xTicks.map(({ label }) => label)) / 2);
  const height = size.height - margin.top - margin.bottom;
  return {
    x: (value) => round(left + ((right - left) * (value - first)) / (last - first)),
    y: (value) => round(margin.top + height * (1 - (value - low) / (high - low))),
    ...{ xTicks, yTicks, left, right },
  };
}

const round = (value: number): number => Math.round(value * 10) / 10;

function grid({ x, y, xTicks, yTicks, left, right }: Axes, chart: Chart): Markup {
  const bottom = size.height - margin.bottom;
  return markup`<g class="grid">${yTicks.map(
    ({ value, label }) => markup`<line x1="${left}" x2="${right}" y1="${y(value)}" y2="${y(value)}"/>
<text x="${left - 6}" y="${y(value) + 4}" text-anchor="end">${label}</text>`,
  )}${xTicks.map(
    ({ value, label }) =>
      markup`<text x="${x(value)}" y="${bottom + 17}" text-anchor="middle">${label}</text>`,
  )}<text x="${(left + right) / 2}" y="${size.height - 6}" text-anchor="middle">${chart.x}</text></g>`;
}

/** A line at an x, its label above the drawing so that no curve runs through it. */
function markOf({ x }: Axes, { mark }: Chart): Markup | null {
  if (!mark) return null;
  const place = x(mark.x);
  const half = widthOf(mark.label) / 2;
  const anchor = place < half ? 'start' : place > size.width - half ? 'end' : 'middle';
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

/** Alternative text of a chart. */
function summaryOf(chart: Chart): string {
  const lines = chart.series.map((series) => {
    const points = measured(series);
    const [first, last] = [points[0], points.at(-1)];
    if (!first || !last) return `${series.name}: no values`;
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
    : markup`<p>No values.</p>`;
  return markup`<figure class="chart"><figcaption>${chart.title}</figcaption>${drawing}
<ul class="lines">${chart.series.map(
    ({ name }, i) =>
      markup`<li><svg viewBox="0 0 24 8" aria-hidden="true" class="series s${i % styles}"><path d="M0 4H24"/></svg>${name}</li>`,
  )}</ul>${valuesTable(chart)}</figure>`;
}

export function curvesMarkup({ charts }: CurvesSection): Markup {
  return markup`<div class="charts">${charts.map(chartFigure)}</div>`;
}
