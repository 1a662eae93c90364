/** A confusion matrix as a table of shares, and the most frequent confusions as a list. */
import type { ClassInfo } from '../../data/class-set.js';
import { count, percent } from './format.js';
import { markup, type Markup } from './markup.js';
import type { ConfusionSection } from './report.js';
import { scrolled, swatch } from './tables.js';

/** Number of confusions in the list. */
const listed = 20;
/** Matrices of more classes are collapsed. */
const mostOpen = 40;

interface Confusion {
  truth: ClassInfo;
  predicted: ClassInfo;
  pixels: number;
  /** Share of the true class's pixels. */
  share: number;
}

/** Pairs of different classes, by the number of confused pixels, most first. */
export function topConfusions({ classes, counts }: ConfusionSection, most = listed): Confusion[] {
  const all: Confusion[] = [];
  for (const truth of classes) {
    const row = counts[truth.index]!;
    const total = row.reduce((sum, pixels) => sum + pixels, 0);
    for (const predicted of classes) {
      const pixels = row[predicted.index]!;
      if (predicted !== truth && pixels > 0) all.push({ truth, predicted, pixels, share: pixels / total });
    }
  }
  return all.sort((a, b) => b.pixels - a.pixels).slice(0, most);
}

function topTable(confusions: readonly Confusion[]): Markup {
  if (confusions.length === 0) return markup`<p>All labelled pixels are correct.</p>`;
  const head = ['Labelled', 'Predicted as', 'Share of the labelled class', 'Pixels'];
  return scrolled(
    'Most frequent confusions',
    markup`<table class="sortable"><caption>Most frequent confusions</caption><thead><tr>${head.map(
      (title, i) => markup`<th scope="col" class="${i > 1 ? 'number' : ''}">${title}</th>`,
    )}</tr></thead><tbody>${confusions.map(
      ({
        truth,
        predicted,
        pixels,
        share,
      }) => markup`<tr><th scope="row" data-sort="${truth.name}">${swatch(truth.color)}${truth.name}</th>
<td data-sort="${predicted.name}">${swatch(predicted.color)}${predicted.name}</td><td class="number" data-sort="${share}">${percent(share)}</td>
<td class="number" data-sort="${pixels}">${count(pixels)}</td></tr>`,
    )}</tbody></table>`,
  );
}

/** Shade 1…9 of a share; 0 below half a percent, which would be shown as 0. */
function shade(share: number): number {
  return share < 0.005 ? 0 : Math.min(9, 1 + Math.floor(share * 9));
}

function matrixTable(present: readonly ClassInfo[], counts: ConfusionSection['counts']): Markup {
  const row = (truth: ClassInfo): Markup => {
    const values = counts[truth.index]!;
    const total = values.reduce((sum, pixels) => sum + pixels, 0);
    // End tags of cells may be left out; of 150 classes there are 22,500 cells.
    const cells = present.map(({ index }) => {
      const share = total === 0 ? 0 : values[index]! / total;
      const level = shade(share);
      return level === 0 ? markup`<td>` : markup`<td class="h${level}">${Math.round(100 * share)}`;
    });
    return markup`<tr><th scope="row">${truth.name}</th>${cells}</tr>`;
  };
  return scrolled(
    'Confusion matrix',
    markup`<table class="matrix"><caption>Percent of each labelled class (rows) by predicted class (columns)</caption><thead><tr><td></td>${present.map(
      ({ name }) => markup`<th scope="col"><span>${name}</span></th>`,
    )}</tr></thead><tbody>${present.map(row)}</tbody></table>`,
  );
}

export function confusionMarkup(section: ConfusionSection): Markup {
  const { classes, counts } = section;
  const occurs = ({ index }: ClassInfo) =>
    counts[index]!.some((pixels) => pixels > 0) || counts.some((row) => row[index]! > 0);
  const present = classes.filter(occurs);
  const table = markup`${matrixTable(present, counts)}<p class="readout" aria-live="polite" hidden></p>`;
  const matrix =
    present.length > mostOpen
      ? markup`<details><summary>Full matrix of ${present.length} classes</summary>${table}</details>`
      : table;
  return markup`<div class="confusion"><div>${matrix}</div><div>${topTable(topConfusions(section))}</div></div>`;
}
