/** Tables of a report. The page's script sorts those with the class `sortable`. */
import type { Color } from '../../data/class-set.js';
import { count, percent } from './format.js';
import { markup, type Markup } from './markup.js';
import type {
  Cell,
  ClassesSection,
  ClassResults,
  FiguresSection,
  PropertiesSection,
  TableSection,
} from './report.js';

/** A class's colour. */
export function swatch([r, g, b]: Color): Markup {
  return markup`<svg class="swatch" aria-hidden="true"><rect width="100%" height="100%" fill="rgb(${r},${g},${b})"/></svg>`;
}

/** A table in a scrollable box that can be focused by keyboard. */
export function scrolled(label: string, table: Markup): Markup {
  return markup`<div class="scroll" tabindex="0" role="group" aria-label="${label}">${table}</div>`;
}

export function figuresMarkup({ figures }: FiguresSection): Markup {
  return markup`<dl class="figures">${figures.map(
    ({ label, value, note }) =>
      markup`<div><dt>${label}</dt><dd>${value}${note !== undefined && markup`<small>${note}</small>`}</dd></div>`,
  )}</dl>`;
}

export function propertiesMarkup({ groups }: PropertiesSection): Markup {
  return markup`<div class="groups">${groups.map(
    ({ title, rows }) =>
      markup`<table class="properties"><caption>${title}</caption><tbody>${rows.map(
        ([name, value]) => markup`<tr><th scope="row">${name}</th><td>${value}</td></tr>`,
      )}</tbody></table>`,
  )}</div>`;
}

/** A number, sorted by its value; null comes last. */
function numberCell(text: string, value: number | null | undefined): Markup {
  return markup`<td class="number" data-sort="${value ?? ''}">${text}</td>`;
}

function bar(share: number | null | undefined, style: number): Markup {
  const width = Math.max(0, Math.min(1, share ?? 0)) * 100;
  return markup`<svg class="bar s${style}" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="100" height="10"/><rect width="${width.toFixed(1)}" height="10"/></svg>`;
}

type Column = { title: string; cell: (index: number) => Markup };

function resultColumns(result: ClassResults, style: number, several: boolean): Column[] {
  const { name, iou, truthPixels, precision, recall } = result;
  const title = several ? `IoU ${name}` : 'IoU';
  const columns: Column[] = [
    {
      title,
      cell: (i) =>
        markup`<td class="number with-bar" data-sort="${iou[i] ?? ''}">${bar(iou[i], style)}<span>${percent(iou[i])}</span></td>`,
    },
  ];
  if (several) return columns;
  if (precision)
    columns.push({ title: 'Precision', cell: (i) => numberCell(percent(precision[i]), precision[i]) });
  if (recall) columns.push({ title: 'Recall', cell: (i) => numberCell(percent(recall[i]), recall[i]) });
  if (truthPixels)
    columns.push({
      title: 'Labelled pixels',
      cell: (i) => numberCell(count(truthPixels[i]!), truthPixels[i]!),
    });
  return columns;
}

function changeColumn(first: ClassResults, last: ClassResults): Column {
  return {
    title: 'Change, points',
    cell: (i) => {
      const [before, after] = [first.iou[i], last.iou[i]];
      if (typeof before !== 'number' || typeof after !== 'number') return numberCell('–', null);
      const points = 100 * (after - before);
      return numberCell(`${points < 0 ? '−' : '+'}${Math.abs(points).toFixed(1)}`, points);
    },
  };
}

export function classesMarkup({ title, classes, results }: ClassesSection): Markup {
  const several = results.length > 1;
  const columns = results.flatMap((result, i) => resultColumns(result, i, several));
  if (several) columns.push(changeColumn(results[0]!, results.at(-1)!));
  return scrolled(
    title,
    markup`<table class="sortable classes"><thead><tr><th scope="col">Class</th>${columns.map(
      (column) => markup`<th scope="col" class="number">${column.title}</th>`,
    )}</tr></thead><tbody>${classes.map(
      ({ index, name, color }) =>
        markup`<tr><th scope="row" data-sort="${name}">${swatch(color)}${name}</th>${columns.map(({ cell }) => cell(index))}</tr>`,
    )}</tbody></table>`,
  );
}

/** A histogram. */
function distribution(bars: readonly number[], labels: readonly string[]): Markup {
  const most = Math.max(1, ...bars);
  const width = 100 / Math.max(1, bars.length);
  const text = bars.map((value, i) => `${labels[i]}: ${count(value)}`).join(', ');
  return markup`<td><svg class="distribution s0" viewBox="0 0 100 24" preserveAspectRatio="none" role="img" aria-label="${text}">${bars.map(
    (value, i) => {
      const height = value === 0 ? 0 : Math.max(1, (23 * value) / most);
      return markup`<rect x="${(i * width + 0.5).toFixed(2)}" width="${(width - 1).toFixed(2)}" y="${(24 - height).toFixed(2)}" height="${height.toFixed(2)}"><title>${labels[i]}: ${count(value)}</title></rect>`;
    },
  )}</svg></td>`;
}

function cellMarkup(cell: Cell, first: boolean): Markup {
  if (typeof cell === 'string')
    return first ? markup`<th scope="row">${cell}</th>` : markup`<td>${cell}</td>`;
  if ('bars' in cell) return distribution(cell.bars, cell.labels);
  return numberCell(cell.text, cell.value);
}

export function tableMarkup({ title, columns, rows }: TableSection): Markup {
  const isNumber = (column: number) => {
    const cell = rows[0]?.[column];
    return typeof cell === 'object' && 'value' in cell;
  };
  const isDrawing = (column: number) => {
    const cell = rows[0]?.[column];
    return typeof cell === 'object' && 'bars' in cell;
  };
  return scrolled(
    title,
    markup`<table class="sortable"><thead><tr>${columns.map((column, i) => {
      const kind = isDrawing(i) ? 'drawing' : isNumber(i) ? 'number' : '';
      return markup`<th scope="col" class="${kind}">${column}</th>`;
    })}</tr></thead><tbody>${rows.map(
      (row) => markup`<tr>${row.map((cell, i) => cellMarkup(cell, i === 0))}</tr>`,
    )}</tbody></table>`,
  );
}
