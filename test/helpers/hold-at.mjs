/**
 * Preloaded into a command that a test ends at a certain moment: there it says so on file descriptor 3 and waits, until it is killed or a
 * byte comes back. The moment is JSON in HOLD_AT:
 *   {"file": ".png", "count": 10}    so many files of this ending were written, or lines of one file
 *   {"epoch": 2, "batch": 4}         a training run has saved this position, or one behind it
 */
import { readSync, writeSync } from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const { file, count, epoch, batch } = JSON.parse(process.env.HOLD_AT);
let isOver = false;

function hold() {
  if (isOver) return;
  isOver = true;
  writeSync(3, '.');
  readSync(3, Buffer.alloc(1));
}

if (file === undefined) {
  const { RunFolder } = await import('../../dist/train/run-folder.js');
  const { saveLast } = RunFolder.prototype;
  RunFolder.prototype.saveLast = async function (head, position) {
    await saveLast.call(this, head, position);
    if (position.epoch > epoch || (position.epoch === epoch && position.batch >= batch)) hold();
  };
} else {
  let there = 0;
  const { rename, appendFile } = promises;
  const add = (path, added) => {
    if (!String(path).endsWith(file)) return;
    there += added;
    if (there >= count) hold();
  };
  promises.rename = async (from, to) => {
    await rename(from, to);
    add(to, 1);
  };
  promises.appendFile = async (path, data, options) => {
    await appendFile(path, data, options);
    add(path, String(data).split('\n').length - 1);
  };
  syncBuiltinESMExports();
  const { RecordWriter } = await import('../../dist/cache/record-writer.js');
  const { append } = RecordWriter.prototype;
  RecordWriter.prototype.append = async function (records) {
    const lines = await append.call(this, records);
    add(this.folder.indexPath, lines.length);
    return lines;
  };
}
