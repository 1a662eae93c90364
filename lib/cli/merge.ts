import { filesOf } from '../features/table-files.js';
import { mergeTables } from '../features/merge-tables.js';
import { counted } from '../text.js';
import { command } from './command.js';
import { complain, print, printJson, warn } from './output.js';
import { jsonFlag } from './shared-flags.js';
import { meansText } from './text.js';

export default command({
  name: 'merge',
  summary: 'Merges the shards of a feature table.',
  positionals: {
    name: 'TABLE…',
    help: 'all shards, each with its folder (part-1_csv_files) next to it',
    least: 1,
    most: Infinity,
  },
  flags: {
    output: {
      type: 'text',
      value: 'T',
      required: true,
      help: 'merged table to write: .csv, .parquet or .geojson',
    },
    ...jsonFlag,
  },
  notes: 'The result is byte-identical to that of a single run.',
  stoppable: true,
  async run({ flags: { output, json }, positionals, signal }) {
    const { reportError, ...summary } = await mergeTables(positionals, output, { signal });
    const { rows, failures, means } = summary;
    if (json) printJson(summary);
    else print(`${meansText(means)}\n\n${output}: ${counted(rows, 'row')}`);
    if (failures.length > 0)
      warn(`${counted(failures.length, 'image')} failed; see ${filesOf(output).failures}.`);
    if (reportError) complain(reportError);
    return reportError ? 1 : 0;
  },
});
