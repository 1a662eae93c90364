/** Reports with everything in them, of made-up results. */
import type { ClassSet } from '../../lib/data/class-set.js';
import { loadClassSet } from '../../lib/data/class-sets.js';
import { decodeLabel } from '../../lib/data/decode.js';
import { examplesSection, type ExampleInput } from '../../lib/report/html/example.js';
import type { Report } from '../../lib/report/html/report.js';
import { classSections } from '../../lib/evaluate/evaluation-report.js';
import type { Evaluation } from '../../lib/evaluate/evaluation.js';
import { EvaluationAccumulator } from '../../lib/evaluate/evaluation-accumulator.js';
import { createRandom } from './random-values.js';

/** Width and height of the examples. */
export const exampleSize = { width: 200, height: 100 };

/** An evaluation whose classes are right in different shares; the last two classes do not occur. */
export function madeUpEvaluation(set: ClassSet, seed = 1): Evaluation {
  const { length } = set.classes;
  const random = createRandom(seed);
  const confusion = new Float64Array(length ** 2);
  for (let k = 0; k < length - 2; k++) {
    confusion[k * length + k] = 1000 * (k + 1);
    for (let i = 0; i < 4; i++)
      confusion[k * length + Math.floor(random() * (length - 2))]! += Math.round(400 * random());
  }
  const accumulator = new EvaluationAccumulator(set);
  accumulator.add(confusion, 0.5);
  return accumulator.result(2);
}

/** Grey photos; of the first, the prediction is class 0 left and 1 right, the truth 0 with a border without label at the top. */
export function madeUpExamples(): ExampleInput[] {
  const { width, height } = exampleSize;
  const image = { data: new Uint8Array(width * height * 3).fill(128), width, height };
  const map = (at: (x: number, y: number) => number) =>
    Uint8Array.from({ length: width * height }, (_, i) => at(i % width, Math.floor(i / width)));
  return [
    {
      name: 'halves',
      image,
      maps: [
        { role: 'prediction', data: map((x) => (x < width / 2 ? 0 : 1)), width, height },
        { role: 'truth', data: map((_, y) => (y < 10 ? 255 : 0)), width, height },
      ],
    },
    {
      name: 'other',
      image: { ...image, data: new Uint8Array(width * height * 3).fill(40) },
      maps: [{ role: 'prediction', data: map(() => 2), width, height }],
    },
  ];
}

/** A report of a training run by the looks of it. */
export async function madeUpReport(setName = 'idd26'): Promise<Report> {
  const set = await loadClassSet(setName);
  const points = (scale: number) =>
    Array.from({ length: 20 }, (_, i) => [i + 1, i === 7 ? null : scale / (i + 1)] as const);
  return {
    title: 'A made-up report',
    lead: 'Nothing in it was measured.',
    made: 'never',
    sections: [
      { kind: 'figures', title: 'Result', figures: [{ label: 'mIoU', value: '12.3 %', note: 'epoch 3' }] },
      {
        kind: 'curves',
        title: 'Curves',
        charts: [
          {
            ...{ title: 'Loss', x: 'epoch', unit: 'number', mark: { x: 3, label: 'best' } },
            series: [
              { name: 'training', points: points(2) },
              { name: 'validation', points: points(3) },
            ],
          },
          { title: 'mIoU', x: 'epoch', unit: 'share', series: [{ name: 'mIoU', points: points(0.5) }] },
        ],
      },
      ...classSections([{ name: 'it', evaluation: madeUpEvaluation(set) }], set),
      await examplesSection({ title: 'Examples' }, madeUpExamples(), set),
      {
        kind: 'table',
        title: 'Table',
        columns: ['Feature', 'Mean', 'Spread'],
        rows: [
          ['road', { text: '3.0', value: 3 }, { bars: [1, 4, 0], labels: ['0', '1', 'above 1'] }],
          ['sky', { text: '12.0', value: 12 }, { bars: [0, 0, 5], labels: ['0', '1', 'above 1'] }],
          ['pole', { text: '–', value: null }, { bars: [0, 0, 0], labels: ['0', '1', 'above 1'] }],
        ],
      },
      {
        kind: 'properties',
        title: 'Settings',
        groups: [{ title: 'Given', rows: [['model', '/a/very/long/path/'.repeat(12)]] }],
      },
    ],
  };
}

/** Class indices of the pictures of a kind (`prediction`, `truth`) in a page. */
export const indicesIn = (page: string, role: string) =>
  Promise.all(
    [
      ...page.matchAll(new RegExp(`data-role="${role}"[^>]*><img src="data:image/png;base64,([^"]+)"`, 'g')),
    ].map(async ([, base64]) => [...(await decodeLabel(Buffer.from(base64!, 'base64'))).data]),
  );
