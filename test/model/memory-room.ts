/** Too little memory or disk: said before anything begins where it can be known, and survived where it cannot. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, readdirSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ClassHead } from '../../lib/model/class-head.js';
import { convert } from '../../lib/model/convert.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { runScript } from '../helpers/command-line.js';
import { writeTinyNetwork } from '../helpers/tiny-network.js';

const hasPrlimit = (() => {
  try {
    execFileSync('prlimit', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

t.test(
  'memory that runs out inside a forward pass is OUT_OF_MEMORY, and the next pass works',
  { skip: !hasPrlimit && 'no prlimit' },
  async (t) => {
    const script = join(import.meta.dirname, '../helpers/too-large-image.mjs');
    const { before, error, after } = JSON.parse(await runScript(script)) as Record<string, unknown>;
    t.match(error, {
      code: 'OUT_OF_MEMORY',
      message:
        /^Running the network \(decode\) on images \[8, 3, 1024, 1024\] needs more memory than is available: .*tried to allocate \d+ bytes.*The host has .* free\. Use fewer images per pass \(--pass-size; training: --batch-size\)/,
    });
    t.same(after, before);
  },
);

t.test('a result too large for any address space is OUT_OF_MEMORY, and the head stays usable', async (t) => {
  using model = await SegmentationModel.init({ arch: 'tiny' });
  using head = ClassHead.create({ hidden: model.hidden, classes: 3 });
  using images = Tensor.from(new Float32Array(3 * 64 * 64), [1, 3, 64, 64]);
  using decoded = await model.decode(images);
  const map = (width: number, height: number) => head.classMap(decoded, { width, height, scoring: 'ade20k' });
  await t.rejects(map(2 ** 25, 2 ** 24), {
    code: 'OUT_OF_MEMORY',
    message: /allocate 562949953421312 bytes/,
  });
  using small = await map(32, 32);
  t.same(small.shape, [1, 32, 32]);
});

t.test('a network that does not fit the memory is refused before it is begun', async (t) => {
  const cpu = engine().devices()[0]!;
  if (cpu.freeBytes > 28 * 2 ** 30) return void t.pass('this host has room for it');
  const init = SegmentationModel.init({ arch: 'dinov3_vit7b16_ade20k_m2f' });
  await t.rejects(init, {
    code: 'OUT_OF_MEMORY',
    message: /needs 28\.\d GiB on cpu, \d+\.\d [GM]iB are free\. Choose --dtype bfloat16, another device/,
  });
});

/** A head file whose class_embed has so many classes that no disk has room; a sparse file, of no size itself. */
function writeVastHead(from: string, to: string, classes: number): void {
  const bytes = readFileSync(from);
  const end = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, end).toString()) as Record<
    string,
    { shape: number[]; data_offsets: [number, number] }
  >;
  let position = 0;
  for (const [key, entry] of Object.entries(header)) {
    if (key === '__metadata__') continue;
    const size = entry.data_offsets[1] - entry.data_offsets[0];
    const grown = key.includes('.class_embed.') ? (size / entry.shape[0]!) * classes : size;
    if (grown !== size) entry.shape[0] = classes;
    entry.data_offsets = [position, position + grown];
    position += grown;
  }
  const text = Buffer.from(JSON.stringify(header));
  const padded = Buffer.concat([text, Buffer.alloc((8 - (text.length % 8)) % 8, ' ')]);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(padded.length));
  const file = openSync(to, 'w');
  writeSync(file, Buffer.concat([size, padded]));
  closeSync(file);
  truncateSync(to, 8 + padded.length + position);
}

t.test('a conversion that the disk has no room for is refused before it is begun', async (t) => {
  const folder = t.testdir();
  const { backbone, head } = await writeTinyNetwork(folder);
  const vast = join(folder, 'vast.safetensors');
  // 8 TB.
  writeVastHead(head, vast, 3e10);
  const out = join(folder, 'out.pt');
  await t.rejects(convert({ backbone, head: vast, out }), {
    code: 'DISK_FULL',
    message: /it needs 7\d{12} bytes, but \d+ are free on its disk\. Nothing was written; free space/,
  });
  t.notOk(
    readdirSync(folder).some((name) => name.startsWith('out.pt')),
    'nothing is left',
  );
});
