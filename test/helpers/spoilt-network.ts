/** Files of networks with NaN among their weights. */
import { writeFile } from 'node:fs/promises';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { entriesOf, zipOf } from './zip.js';

type Entries = Awaited<ReturnType<typeof entriesOf>>;

/** The record of an array in a network's file. */
async function recordOf(file: string, entries: Entries, key: string): Promise<Entries[number]> {
  const read = await engine().readTensors(file, [key]);
  using tensor = Tensor.wrap(read.tensors[key]!);
  const bytes = Buffer.from((await tensor.floats()).buffer);
  const found = entries.filter(
    ({ name, data }) => /\/data\/\d+$/.test(name) && bytes.equals(data as Uint8Array),
  );
  if (found.length !== 1) throw new Error(`${key}: ${found.length} records`);
  return found[0]!;
}

/** A network's file with NaN at the end of one of its arrays. Default: the largest one. */
export async function spoiltFile(from: string, to: string, key?: string): Promise<string> {
  const entries = await entriesOf(from);
  const size = ({ name, data }: Entries[number]) => (/\/data\/\d+$/.test(name) ? data.length : 0);
  const largest = entries.reduce((a, b) => (size(a) >= size(b) ? a : b));
  const { data } = key === undefined ? largest : await recordOf(from, entries, key);
  (data as Uint8Array).fill(0xff, data.length - 4);
  await writeFile(to, zipOf(entries));
  return to;
}
