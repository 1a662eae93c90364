/** Images that could not be read, in a report. */
import type { DinoSegError } from '../../errors.js';
import { counted } from '../../text.js';
import type { TableSection } from './report.js';

/** Images that are listed. */
const listed = 100;

export function failureTable(failed: readonly { image: string; error: DinoSegError }[]): TableSection {
  const rows = failed.slice(0, listed).map(({ image, error }) => [image, error.code, error.message]);
  const note =
    failed.length > listed ? { note: `The first ${listed} of ${counted(failed.length, 'image')}.` } : {};
  return { kind: 'table', title: 'Failed', ...note, columns: ['Image', 'Code', 'Reason'], rows };
}
