/** Networks with random weights: the same bits everywhere, whatever the path they come by. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { architectures, initModel } from '../../lib/model/init-model.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import type { RandomNetwork } from '../../lib/native/bindings/engine.js';
import { sameBits } from '../helpers/close.js';
import { runCommand } from '../helpers/command-line.js';
import { randomTensor } from '../helpers/operators.js';
import { picture, writeTinyNetwork } from '../helpers/tiny-network.js';

const tiny: RandomNetwork = { architecture: 'tiny', seed: 1, dtype: 'float32', device: 'cpu' };

async function draw(key: string, network: Partial<RandomNetwork> = {}, operators = false) {
  return Tensor.wrap(await randomTensor({ ...tiny, ...network }, key, operators)).floats();
}

/** The nearest bfloat16, of two the even one. */
function roundToBfloat16(values: Float32Array): Float32Array {
  const bits = new Uint32Array(Float32Array.from(values).buffer);
  return new Float32Array(bits.map((b) => (b + 0x7fff + ((b >>> 16) & 1)) & 0xffff0000).buffer);
}

const bytesOf = (values: Float32Array) => Buffer.from(values.buffer);
const same = (a: Float32Array, b: Float32Array) => bytesOf(a).equals(bytesOf(b));

const predictor = 'segmentation_model.1.predictor.';
const decoder = 'segmentation_model.1.pixel_decoder.';

t.test('the rule of the weights is the documented one', async (t) => {
  // SplitMix64 over FNV-1a of the key, in integers of 64 bits.
  const wrap = (x: bigint) => BigInt.asUintN(64, x);
  const mix = (x: bigint) => {
    x = wrap((x ^ (x >> 30n)) * 0xbf58476d1ce4e5b9n);
    x = wrap((x ^ (x >> 27n)) * 0x94d049bb133111ebn);
    return x ^ (x >> 31n);
  };
  const hash = [...Buffer.from('cls_token')].reduce(
    (h, byte) => wrap((h ^ BigInt(byte)) * 0x100000001b3n),
    0xcbf29ce484222325n,
  );
  const start = mix(hash ^ mix(1n));
  const expected = Float32Array.from({ length: 64 }, (_, i) => {
    const bits = mix(wrap(start + BigInt(i) * 0x9e3779b97f4a7c15n)) >> 40n;
    return Number(bits) / 8388608 - 1;
  });
  t.same(await draw('cls_token'), expected);
});

t.test("a GPU's way of drawing gives the CPU's bits", async (t) => {
  const cases: [string, Partial<RandomNetwork>][] = [
    ['blocks.0.attn.qkv.weight', {}],
    ['blocks.3.ls1.gamma', {}],
    ['rope_embed.periods', {}],
    [`${decoder}output_convs.0.weight`, { seed: 2 ** 53 - 1 }],
    // More than one step of 16 million, and what cancels in pairs.
    [`${decoder}output_convs.0.weight`, { architecture: 'dinov3_vits16_m2f' }],
    [`${predictor}mask_embed.layers.1.weight`, { architecture: 'dinov3_vits16_m2f', dtype: 'bfloat16' }],
    ['blocks.0.attn.qkv.bias_mask', { architecture: 'dinov3_vits16_m2f' }],
  ];
  for (const [key, network] of cases) {
    const [loop, operators] = [await draw(key, network), await draw(key, network, true)];
    t.ok(same(loop, operators), `${key} ${JSON.stringify(network)}`);
  }
});

t.test('bfloat16 weights are the float32 ones rounded', async (t) => {
  const key = 'blocks.1.mlp.w2.weight';
  const exact = await draw(key);
  const rounded = await draw(key, { dtype: 'bfloat16' });
  t.ok(same(rounded, roundToBfloat16(exact)), 'rounded');
  t.notOk(same(rounded, exact), 'and not the same');
  const norm = 'blocks.1.norm1.weight';
  t.same(await draw(norm, { dtype: 'bfloat16' }), await draw(norm), 'norms stay float32');
});

t.test('another seed, or key, gives other weights; mistakes are refused', async (t) => {
  const one = await draw('blocks.0.mlp.w1.weight');
  t.notOk(same(await draw('blocks.0.mlp.w1.weight', { seed: 2 }), one), 'another seed');
  t.notOk(same(await draw('blocks.1.mlp.w1.weight'), one), 'another key');
  await t.rejects(draw('blocks.9.norm1.weight'), { code: 'INVALID_ARGUMENT', message: /no key blocks\.9/ });
  await t.rejects(SegmentationModel.init({ arch: 'huge' as 'tiny' }), {
    code: 'INVALID_ARGUMENT',
    message: /Unknown network huge; expected one of dinov3_vit7b16_ade20k_m2f, .*tiny/,
  });
  await t.rejects(SegmentationModel.init({ arch: 'tiny', seed: -1 }), { code: 'INVALID_ARGUMENT' });
  await t.rejects(SegmentationModel.init({ arch: 'tiny', device: 'cuda:99' }), { code: 'DEVICE' });
});

t.test('shapes have the published sizes, by their plans alone', async (t) => {
  const plans = Object.fromEntries(
    architectures.map((name) => [name, engine().planArchitecture(name, 26)] as const),
  );
  t.match(plans['dinov3_vit7b16_ade20k_m2f'], {
    frozenParameters: 7_643_154_240,
    trainedParameters: 53_274,
    dims: { embedDim: 4096, depth: 40, heads: 32, hiddenDim: 2048, queries: 100, classes: 151 },
  });
  t.match(plans['dinov3_vitl16_m2f']!.dims, { embedDim: 1024, depth: 24, heads: 16, feedForward: 'mlp' });
  t.match(plans['dinov3_vith16plus_m2f']!.dims, {
    embedDim: 1280,
    depth: 32,
    heads: 20,
    feedForward: 'swiglu',
  });
});

t.test('file and network without a file are the same; every part of it matters', async (t) => {
  const folder = t.testdir();
  const at = (name: string) => join(folder, name);
  const progress: number[] = [];
  for (const dtype of ['float32', 'bfloat16'] as const) {
    const plan = await initModel({
      arch: 'tiny',
      seed: 3,
      dtype,
      out: at(`${dtype}.pt`),
      onProgress: (done, total) => progress.push(done / total),
    });
    t.equal(plan.dims['embedDim'], 64);
    using stored = await SegmentationModel.load(at(`${dtype}.pt`));
    using direct = await SegmentationModel.init({ arch: 'tiny', seed: 3, dtype });
    t.match(direct, { dtype, parameters: stored.parameters, path: 'tiny with random weights of seed 3' });
    const scores = await Promise.all(
      [stored, direct].map((m) => m.scores(picture(96, 64), { imageSize: 64 })),
    );
    t.same(scores[0], scores[1], `${dtype}: the same scores`);
  }
  t.equal(progress.at(-1), 1);
  const ids = new Set<string>();
  for (const options of [{}, { seed: 1 }, { dtype: 'bfloat16' }] as const) {
    using model = await SegmentationModel.init({ arch: 'tiny', ...options });
    ids.add(model.id);
  }
  t.equal(ids.size, 3, 'ids tell seed and dtype');
});

t.test('it is the network that convert makes of the random checkpoints', async (t) => {
  const folder = t.testdir();
  const { model } = await writeTinyNetwork(folder);
  await initModel({ arch: 'tiny', seed: 1, out: join(folder, 'init.pt') });
  // The files differ: convert records the preprocessing, which is the usual one here.
  const [converted, drawn] = await Promise.all([valuesOf(model), valuesOf(join(folder, 'init.pt'))]);
  t.same([...drawn.keys()], [...converted.keys()]);
  t.ok([...drawn].every(([key, data]) => sameBits(data, converted.get(key)!)));
});

/** The values of a file's tensors, by key. */
async function valuesOf(path: string): Promise<Map<string, ArrayBufferView>> {
  const { tensors } = await engine().readTensors(path);
  const values = Object.entries(tensors).map(
    async ([key, handle]) => [key, (await engine().tensorData(handle)).data] as const,
  );
  return new Map(await Promise.all(values));
}

/** Root mean square and share of positive values. */
function statistics(values: Float32Array) {
  let squares = 0;
  let positive = 0;
  for (const value of values) {
    squares += value * value;
    positive += value > 0 ? 1 : 0;
  }
  return { rms: Math.sqrt(squares / values.length), positive: positive / values.length };
}

for (const arch of ['tiny', 'deep'])
  t.test(`activations of ${arch} keep their size, and masks are neither full nor empty`, async (t) => {
    using model = await SegmentationModel.init({ arch: arch as 'tiny', seed: 1 });
    const size = 64;
    const wave = (i: number) => Math.sin(i / 7) + Math.cos(i / (20 * size));
    const images = Tensor.from(
      Float32Array.from({ length: 3 * size * size }, (_, i) => wave(i)),
      [1, 3, size, size],
    );
    const taps = await engine().taps(model.handle, images.handle);
    for (const [name, handle] of Object.entries(taps)) {
      const values = await Tensor.wrap(handle).floats();
      t.ok(values.every(Number.isFinite), `${name} is finite`);
      const { rms, positive } = statistics(values);
      t.ok(rms > 1e-3 && rms < 1e3, `${name} has a size of ${rms}`);
      t.ok(positive > 0.05 && positive < 0.95, `${name} is positive at ${positive}`);
      if (name !== 'pred_masks') continue;
      const pixels = values.length / 100;
      const mixed = Array.from({ length: 100 }, (_, q) =>
        statistics(values.subarray(q * pixels, (q + 1) * pixels)),
      );
      const usable = mixed.filter(({ positive: share }) => share > 0 && share < 1).length;
      t.ok(usable > 50, `${usable} of 100 masks have an outline`);
    }
  });

t.test('init writes a file that the other commands take', async (t) => {
  const out = join(t.testdir(), 'networks/tiny.pt');
  const { code, stdout } = await runCommand([
    'init',
    '--arch',
    'tiny',
    '--seed',
    '5',
    '--out',
    out,
    '--json',
  ]);
  t.equal(code, 0);
  t.match(JSON.parse(stdout), { out, dims: { depth: 4 }, trainedParameters: 151 * 65 });
  using model = await SegmentationModel.load(out);
  t.equal(model.parameters, 1_078_199);
  const wrong = await runCommand(['init', '--arch', 'giant', '--out', join(out, '../x.pt')]);
  t.equal(wrong.code, 2);
  t.match(wrong.stderr, /--arch should be one of dinov3_vit7b16_ade20k_m2f/);
  t.notOk(existsSync(join(out, '../x.pt')));
});

t.test('a stopped init leaves nothing behind', async (t) => {
  const folder = t.testdir();
  const reason = new Error('enough');
  const controller = new AbortController();
  const options = {
    arch: 'dinov3_vits16_m2f',
    signal: controller.signal,
    onProgress: () => controller.abort(reason),
  } as const;
  await t.rejects(initModel({ ...options, out: join(folder, 'x.pt') }), reason);
  t.same(readdirSync(folder), []);
});
