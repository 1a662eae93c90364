/** Networks of strangers at work: loops without end, and outputs of every wrong kind. */
import { join } from 'node:path';
import t from 'tap';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { writeForeign, type ForeignNetwork } from '../helpers/foreign-network.js';
import { SavedObject } from '../helpers/torch-save.js';

const root = t.testdir();
let files = 0;
const write = (network: ForeignNetwork) => writeForeign(join(root, `network-${files++}.pt`), network);
const image = () => Tensor.from(new Float32Array(3 * 32 * 32), [1, 3, 32, 32]);

const endless: Record<string, ForeignNetwork> = {
  'of operators': { decode: ['n = 0', 'while True:', '  queries = torch.add(queries, 1)'] },
  'without operators on tensors': { decode: ['n = 0', 'while True:', '  n = torch.add(n, 1)'] },
  'of nothing': { decode: ['while True:', '  pass'] },
  'in a method that is called': {
    decode: ['n = (self).count()'],
    members: [
      'def count(self: __torch__.Net) -> int:',
      '  n = 0',
      '  while True:',
      '    n = torch.add(n, 1)',
      '  return n',
    ],
  },
  'behind an interface': {
    decode: ['n = (self.part).count()'],
    members: ['part : __torch__.Counter'],
    fields: { part: new SavedObject('Part', { training: false }) },
    code: [
      'class Counter(ModuleInterface):',
      '  def count(self: __torch__.Counter) -> int:',
      '    pass',
      'class Part(Module):',
      '  training : bool',
      '  def count(self: __torch__.Part) -> int:',
      '    n = 0',
      '    while True:',
      '      n = torch.add(n, 1)',
      '    return n',
    ],
  },
};

for (const [kind, network] of Object.entries(endless))
  t.test(`a loop without end ${kind} can be stopped, and given a time`, async (t) => {
    const path = await write(network);
    {
      using model = await SegmentationModel.load(path, { device: 'cpu' });
      using images = image();
      const controller = new AbortController();
      const passed = model.decode(images, { signal: controller.signal });
      setTimeout(() => controller.abort(), 50);
      await t.rejects(passed, { name: 'AbortError' });
    }
    using model = await SegmentationModel.load(path, { device: 'cpu', timeout: 0.05 });
    using images = image();
    await t.rejects(model.decode(images), { code: 'TIMEOUT', message: /took longer than 0\.05 s/ });
  });

t.test('a time that is not above 0 is refused', async (t) => {
  const path = await write({});
  for (const timeout of [0, -1, NaN, Infinity])
    await t.rejects(SegmentationModel.load(path, { timeout }), { code: 'INVALID_ARGUMENT' });
});

t.test('a pass within its time gives its results', async (t) => {
  using model = await SegmentationModel.load(await write({}), { device: 'cpu', timeout: 1e6 });
  using images = image();
  t.same((await model.decode(images)).queries.shape, [1, 5, 8]);
});

const outputs: Record<string, [statements: string[], message: RegExp]> = {
  'queries repeated to 10^10 elements': [
    ['queries = torch.expand(torch.zeros([1, 1, 1]), [1, 1250000000, 8])'],
    /only 1 elements in memory/,
  ],
  'masks repeated to 10^10 elements': [
    ['masks = torch.expand(torch.zeros([1, 1, 1, 1]), [1, 5, 50000, 40000])'],
    /only 1 elements in memory/,
  ],
  integers: [['queries = torch.to(queries, 4)'], /of dtype Long/],
  nothing: [['masks = torch.slice(masks, 1, 0, 0)'], /empty/],
  'other images': [['queries = torch.zeros([7, 5, 8])'], /expected 1 as first size/],
  'no dimension': [['queries = torch.sum(queries)'], /first size/],
  'another width': [['queries = torch.zeros([1, 5, 9])'], /expected B×Q×8/],
  'other numbers of queries and masks': [['masks = torch.zeros([1, 4, 8, 8])'], /queries .* and masks/],
  'masks larger than the image': [['masks = torch.zeros([1, 5, 64, 64])'], /at most those of the images/],
  'masks of three dimensions': [['masks = torch.zeros([1, 5, 64])'], /queries .* and masks/],
};
for (const [what, [decode, message]] of Object.entries(outputs))
  t.test(`outputs are refused before memory is asked for: ${what}`, async (t) => {
    using model = await SegmentationModel.load(await write({ decode }), { device: 'cpu' });
    using images = image();
    const before = process.memoryUsage.rss();
    await t.rejects(model.decode(images), { code: 'MODEL_OUTPUT', message });
    t.ok(process.memoryUsage.rss() - before < 1e9);
  });

t.test('NaN is refused', async (t) => {
  using model = await SegmentationModel.load(await write({ decode: ['queries = torch.mul(queries, nan)'] }), {
    device: 'cpu',
  });
  using images = image();
  await t.rejects(model.decode(images), { code: 'MODEL_VALUES' });
});
