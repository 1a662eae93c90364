/** What looks like a mistake in labelled images, though training can begin. */
import { counted } from '../text.js';
import { objectSentences } from './object-counts.js';
import type { SplitCheck } from './split-check.js';

/** A warning about a split. */
export interface DataWarning {
  /** The split. */
  readonly split: string;
  /** Description. */
  readonly message: string;
}

/** What labels of a single class mean for a training. */
export function onlyClassMessage(name: string): string {
  return (
    `All labels contain the class "${name}" only: a head cannot learn to tell classes apart. Check the class set and the kind ` +
    'of label file.'
  );
}

/** Warnings about the contents of a split. */
export function warningsOf(check: SplitCheck): DataWarning[] {
  const { split, classes, pixels, ignoredPixels, ignoredByDefault } = check;
  const messages = objectSentences(check);
  const all = pixels + ignoredPixels;
  const absent = classes.filter((each) => each.pixels === 0).map(({ name }) => `"${name}"`);
  if (ignoredByDefault > 0) {
    const share = ((100 * ignoredByDefault) / all).toFixed(1);
    const none =
      absent.length > 0
        ? ` ${absent.length === 1 ? 'The class' : 'The classes'} ${absent.join(', ')} ${absent.length === 1 ? 'has' : 'have'} no pixels: ` +
          'if 255 stands for a class, map it ("mapping": {"255": "class"}).'
        : '';
    messages.push(
      `${counted(ignoredByDefault, 'pixel')} (${share} %) ${ignoredByDefault === 1 ? 'has' : 'have'} the value 255, which is ignored by default.${none} Say ` +
        '"ignore": [255] in the class file if they have no class.',
    );
  }
  const present = classes.filter((each) => each.pixels > 0);
  if (present.length === 1 && classes.length > 1) messages.push(onlyClassMessage(present[0]!.name));
  return messages.map((message) => ({ split, message }));
}
