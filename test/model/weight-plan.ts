/** Which blocks stay on a device, and how many images go through a network whose weights are streamed. */
import t from 'tap';
import { gpuMemoryBytes } from '../../lib/model/gpu-memory.js';
import { BatchRunner, defaultPassSize } from '../../lib/model/pass-size.js';
import { planWeights, type PlanInput } from '../../lib/model/weight-plan.js';

const context = 8e8;
/** The 7B in bfloat16, its pixel decoder in float32. */
const blockBytes = 335_544_320;
const sevenBillion = {
  blocks: 40,
  blocksBytes: 40 * blockBytes,
  residentBytes: Array.from({ length: 41 }, (_, resident) => resident * blockBytes),
  decoderBytes: 1_849_688_064,
  copiedDecoderBytes: 1_849_688_064,
  ringBytes: 335_544_320,
  otherBytes: 487_158_700,
  pixelDecoderWeights: 233_576_448,
  width: 4096,
  hidden: 2048,
  dtype: 'bfloat16',
} as const;
const plan = (totalBytes: number, more: Partial<PlanInput> = {}) =>
  planWeights({
    sizes: sevenBillion,
    room: { totalBytes, freeBytes: totalBytes, contextBytes: context },
    weights: 'auto',
    capped: true,
    onCpu: false,
    use: {},
    ...more,
  });

t.test('a cap of 4, 6, 8, 12 and 16 GB', async (t) => {
  for (const [cap, passSize, residentBlocks] of [
    [4e9, 3, 0],
    [6e9, 6, 0],
    [8e9, 9, 1],
    [12e9, 12, 7],
    [16e9, 12, 19],
  ] as const) {
    const found = plan(cap - context)!;
    t.match(found, { passSize, residentBlocks }, `${cap / 1e9} GB`);
    const { ringBytes, otherBytes } = sevenBillion;
    const taken = otherBytes + residentBlocks * blockBytes + ringBytes + passSize * 0.57e9 + context;
    t.ok(taken <= cap, `${taken / 1e9} GB are taken`);
  }
  t.equal(plan(24e9), undefined, 'everything fits');
});

t.test('blocks that are quantised are counted so, and matrices that no pass copies are not', async (t) => {
  // As in fp8: all but the first, which leaves first, and the last have half the bytes.
  const bytesOf = (block: number) => (block === 0 || block === 39 ? blockBytes : blockBytes / 2);
  const residentBytes = sevenBillion.residentBytes.map((_, resident) =>
    Array.from({ length: resident }, (_, i) => bytesOf(39 - i)).reduce((sum, bytes) => sum + bytes, 0),
  );
  const sizes = { ...sevenBillion, residentBytes, blocksBytes: residentBytes[40]! };
  const use = { passSize: 1 };
  const [whole, halved] = [plan(8e9, { use })!, plan(8e9, { use, sizes })!];
  const left = residentBytes[halved.residentBlocks]!;
  t.ok(left <= whole.residentBlocks * blockBytes + blockBytes);
  t.ok(left + blockBytes / 2 > whole.residentBlocks * blockBytes, 'as many as fit');
  t.ok(halved.residentBlocks > 2 * whole.residentBlocks - 3);
  const fewer = plan(4e9, { sizes: { ...sevenBillion, copiedDecoderBytes: 0 } })!;
  t.ok(fewer.passSize <= plan(4e9)!.passSize, 'fewer copies are worth less room');
});

t.test('what is free decides on the blocks, and not on the images', async (t) => {
  const whole = plan(12e9)!;
  const busy = plan(12e9, { room: { totalBytes: 12e9, freeBytes: 10e9, contextBytes: context } })!;
  t.equal(busy.passSize, whole.passSize);
  t.ok(busy.residentBlocks < whole.residentBlocks);
});

t.test('a size of passes that is given is planned for', async (t) => {
  const [one, four] = [1, 4].map((passSize) => plan(10e9, { use: { passSize } })!);
  t.equal(one!.passSize, 1);
  t.ok(one!.residentBlocks > four!.residentBlocks);
  t.equal(plan(16.7e9, { use: { passSize: 1 } }), undefined, 'with one image everything fits');
  t.ok(plan(16.7e9, { use: { passSize: 4 } }));
  const beside = plan(10e9, { use: { besideBytes: 1e9, betweenBytes: 3e9 } })!;
  t.ok(beside.residentBlocks < plan(10e9)!.residentBlocks);
});

t.test('stream without a cap: no block stays; with one: as many as fit', async (t) => {
  const found = plan(80e9, { weights: 'stream', capped: false })!;
  t.match(found, { residentBlocks: 0, passSize: 12 });
  t.equal(plan(80e9, { weights: 'stream', capped: true }), undefined);
  t.equal(plan(80e9, { weights: 'resident' }), undefined);
  const onCpu = plan(80e9, { weights: 'stream', capped: false, onCpu: true })!;
  t.match(onCpu, { residentBlocks: 0, passSize: 1 });
});

t.test('where all but a little fits, one block and the decoder are streamed', async (t) => {
  const { blocksBytes, decoderBytes, otherBytes } = sevenBillion;
  const all = otherBytes + decoderBytes + blocksBytes + 2e8;
  t.match(plan(all + 0.6e9, { use: { passSize: 1 } }), { residentBlocks: 39, passSize: 1 });
  t.equal(plan(all + 0.7e9, { use: { passSize: 1 } }), undefined);
});

t.test('too little memory is refused with the minimum', async (t) => {
  t.throws(() => plan(2.4e9 - context), {
    code: 'OUT_OF_MEMORY',
    message: /needs 1\.7 GB for a pass of 1, and CUDA 0\.8 GB: --gpu-memory 2\.5GB is the minimum\./,
  });
  t.ok(plan(2.5e9 - context), 'which is enough');
  t.throws(() => plan(1.6e9, { capped: false }), {
    code: 'OUT_OF_MEMORY',
    message: /needs 1\.7 GB for a pass of 1; 1\.6 GB are free\. Use smaller images/,
  });
  t.throws(() => plan(8e9 - context, { use: { passSize: 16 } }), {
    code: 'OUT_OF_MEMORY',
    message: /for a pass of 16/,
  });
});

t.test('a network without blocks is loaded as it is', async (t) => {
  const none = { blocks: 0, blocksBytes: 0, residentBytes: [0], decoderBytes: 0, ringBytes: 0 };
  const sizes = { ...sevenBillion, ...none };
  t.equal(plan(1e9, { sizes }), undefined);
});

t.test('passes of a streamed network have the planned size, also for other images', async (t) => {
  const model = { width: 4096, hidden: 2048, dtype: 'bfloat16', devices: ['cuda:0'] } as const;
  const weightPlan = { residentBlocks: 2, passSize: 6, pixels: 512 * 512 };
  const none = () => {
    throw new Error('what is free does not matter');
  };
  for (const [side, expected] of [
    [512, 6],
    [1024, 1],
    [256, 12],
  ] as const)
    t.equal(defaultPassSize({ ...model, weightPlan }, { width: side, height: side }, none), expected);
  const log: string[] = [];
  const streaming = 'Streaming 38 of 40 blocks (12.8 GB a pass)';
  const onLog = (line: string) => log.push(line);
  const size = { width: 512, height: 512 };
  t.equal(BatchRunner.of({ ...model, weightPlan, streaming }, size, { onLog }).size, 6);
  t.equal(BatchRunner.of({ ...model, weightPlan, streaming }, size, { onLog, passSize: 1 }).size, 1);
  t.same(log, [`${streaming}; 6 images a pass`, `${streaming}; 1 image a pass`]);
});

t.test('caps are read', async (t) => {
  for (const [text, bytes] of [
    ['8GB', 8e9],
    ['7.5 GiB', 7.5 * 2 ** 30],
    ['500mb', 5e8],
    [1234, 1234],
  ] as const)
    t.equal(gpuMemoryBytes(text), bytes);
  t.throws(() => gpuMemoryBytes('8'), {
    code: 'INVALID_ARGUMENT',
    message: '--gpu-memory should be a size such as 8GB or 7.5GiB, not "8".',
  });
});
