/** Reports of finished jobs: a report that fails does not affect the results. */
import { DinoSegError } from '../../errors.js';
import { writeReport } from './page.js';
import type { Report } from './report.js';

/** Outcome of writing a report. */
export interface ReportOutcome {
  /** Path of the report; null if it was not written. */
  report: string | null;
  /** Why it was not written. The results themselves are complete. */
  reportError?: DinoSegError;
}

/** Makes and writes a report. Errors are in the outcome; nothing is thrown. */
export async function attemptReport(path: string, make: () => Promise<Report>): Promise<ReportOutcome> {
  try {
    await writeReport(path, await make());
    return { report: path };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const code = cause instanceof DinoSegError ? cause.code : 'INTERNAL';
    const message = `The report ${path} could not be written; the results are complete. ${reason}`;
    return { report: null, reportError: new DinoSegError(code, message, { cause }) };
  }
}
