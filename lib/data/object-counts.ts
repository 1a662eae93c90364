/** Counts the objects of annotations that were not drawn as they are. */
import { counted } from '../text.js';
import type { OddObjects } from './polygons.js';

/** By label, the most frequent first. */
function sorted(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)));
}

const mostNamed = 10;

/** `3 objects …: car (2), "person" (1)`; undefined for none. */
function sentence(counts: Readonly<Record<string, number>>, what: string): string | undefined {
  const labels = Object.entries(counts);
  if (labels.length === 0) return undefined;
  const total = labels.reduce((sum, [, count]) => sum + count, 0);
  const named = labels.slice(0, mostNamed).map(([label, count]) => `"${label}" (${count})`);
  const more = labels.length > mostNamed ? ` and ${labels.length - mostNamed} more labels` : '';
  return `${counted(total, 'object')} ${what}: ${named.join(', ')}${more}.`;
}

/** Labels of odd objects with their numbers of objects ({@link OddObjects}). */
export interface ObjectCounts {
  /** Of objects that were left out, since they have fewer than three corners. */
  readonly skippedObjects: Readonly<Record<string, number>>;
  /** Of objects without a class, which were drawn as 255. */
  readonly unknownLabels: Readonly<Record<string, number>>;
}

/** Sentences about odd objects; none where there are none. */
export function objectSentences({ skippedObjects, unknownLabels }: ObjectCounts): string[] {
  const sentences = [
    sentence(skippedObjects, 'with fewer than three corners skipped'),
    sentence(unknownLabels, 'with unknown labels drawn without a class (255)'),
  ];
  return sentences.filter((each) => each !== undefined);
}

/** Odd objects of several annotations, each counted once however often it is read. */
export class ObjectTally {
  readonly #seen = new Set<string>();
  readonly #skipped = new Map<string, number>();
  readonly #unknown = new Map<string, number>();

  /** @param path of the annotation. */
  add(path: string, { skipped, unknown }: OddObjects): void {
    if (this.#seen.has(path) || (skipped.size === 0 && unknown.size === 0)) return;
    this.#seen.add(path);
    for (const [to, from] of [
      [this.#skipped, skipped],
      [this.#unknown, unknown],
    ] as const)
      for (const [label, count] of from) to.set(label, (to.get(label) ?? 0) + count);
  }

  counts(): ObjectCounts {
    return { skippedObjects: sorted(this.#skipped), unknownLabels: sorted(this.#unknown) };
  }
}
