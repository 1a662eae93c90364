/** The images with a quality flag in the report of a table. */
import { decodeReduced } from '../data/decode-reduced.js';
import { DinoSegError } from '../errors.js';
import { examplesSection, type ExampleInput } from '../report/html/example.js';
import type { ExamplesSection } from '../report/html/report.js';
import { counted } from '../text.js';
import type { FlagCounts, QualityList } from './quality-list.js';
import { qualityFlags } from './quality.js';

/** `2 uniform, 1 duplicate`; empty if no image has a flag. */
export function flagsText(counts: FlagCounts): string {
  const found = qualityFlags.filter((flag) => counts[flag] > 0);
  return found.map((flag) => `${counts[flag].toLocaleString('en')} ${flag}`).join(', ');
}

/** Pixels that are enough for a thumbnail. */
const shownPixels = 1e6;

/** The first images with a flag, as thumbnails; undefined if there are none. */
export async function flaggedSection(
  { flagged, flaggedCount, counts }: QualityList,
  dropped: number,
): Promise<ExamplesSection | undefined> {
  async function* pictures(): AsyncGenerator<ExampleInput, void, void> {
    for (const { id, image: path, flags } of flagged) {
      const image = await decodeReduced(path, shownPixels).catch((error: unknown) => {
        // The file may be gone since.
        if (error instanceof DinoSegError) return undefined;
        throw error;
      });
      if (image) yield { name: id, image, caption: flags.join(', ') };
    }
  }
  if (flaggedCount === 0) return undefined;
  const first = flagged.length < flaggedCount ? ` The first ${flagged.length} are shown.` : '';
  const note =
    `${counted(flaggedCount, 'image')} may be no photograph of a street: ${flagsText(counts)}. quality.tsv lists them. ` +
    (dropped > 0 ? 'They have no row.' : 'They have a row like the others (--drop-flagged leaves them out).');
  return examplesSection({ title: 'Marked images', note: note + first }, pictures(), null);
}
