/** Reports beside results: one that cannot be written costs its job nothing. */
import { DinoSegError } from '../../errors.js';
import { writeReport } from './page.js';
import type { Report } from './report.js';

/** What became of a report. */
export interface ReportOutcome {
  /** Where it is; null where it could not be written. */
  report: string | null;
  /** Why not. The results that it would have shown are there all the same. */
  reportError?: DinoSegError;
}

/** Makes and writes a report. Whatever goes wrong is in the outcome; nothing is thrown. */
export async function attemptReport(path: string, make: () => Promise<Report>): Promise<ReportOutcome> {
  try {
    await writeReport(path, await make());
    return { report: path };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const code = cause instanceof DinoSegError ? cause.code : 'INTERNAL';
    const message = `The report ${path} could not be made; the results themselves are there. ${reason}`;
    return { report: null, reportError: new DinoSegError(code, message, { cause }) };
  }
}
