/** Files of Hugging Face's and timm's own writers against Meta's file of the same weights and the reference's outputs. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { convert, inspect } from '../../lib/model/convert.js';
import { SegmentationModel } from '../../lib/model/segmentation-model.js';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { close } from '../helpers/close.js';
import { readSafetensors } from '../helpers/safetensors.js';
import { shared, skipWithout } from '../helpers/temporary.js';

const golden = (...path: string[]) => join(shared, 'golden', ...path);

async function tensorsOf(path: string): Promise<Map<string, string>> {
  const { tensors } = await engine().readTensors(path);
  const values = Object.entries(tensors).map(async ([key, handle]) => {
    const { data } = await engine().tensorData(handle);
    return [key, Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64')] as const;
  });
  return new Map(await Promise.all(values));
}

/** What other publishers leave out, since inference does not use it. */
const unused = /\.(mask_token|local_cls_norm\.(weight|bias))$/;

for (const [kind, heads] of [
  ['swiglu', 2],
  ['mlp', 6],
] as const)
  t.test(`the ${kind} backbone of every publisher`, { skip: skipWithout('golden/hf') }, async (t) => {
    const folder = t.testdir();
    const [meta, out] = [join(folder, 'meta.pt'), join(folder, 'out.pt')];
    const head = golden(`seg-${kind}`, 'head.pth');
    await convert({ backbone: golden(`seg-${kind}`, 'backbone.pth'), head, out: meta });
    const theirs = await tensorsOf(meta);
    const { tensors } = readSafetensors(golden(`seg-${kind}`, 'case0.safetensors'));
    const image = tensors['image']!;
    using images = Tensor.from(image.data, image.shape);
    using reference = await SegmentationModel.load(meta);
    const expected = await reference.forward(images);
    for (const backbone of [
      golden('hf', kind),
      golden('hf', kind, 'model.safetensors'),
      golden('hf', kind, 'sharded'),
      golden('timm', `${kind}.safetensors`),
    ]) {
      const isTimm = backbone.includes('timm');
      await convert({ backbone, head, out, ...(isTimm ? { attentionHeads: heads } : {}) });
      const own = await tensorsOf(out);
      const differing = [...theirs].filter(([key, bits]) => own.get(key) !== bits).map(([key]) => key);
      t.same(
        differing.filter((key) => !unused.test(key)),
        [],
        backbone,
      );
      if (kind === 'mlp' && !isTimm)
        t.ok((await readFile(out)).equals(await readFile(meta)), 'byte for byte');
      using model = await SegmentationModel.load(out);
      const got = await model.forward(images);
      for (const name of ['queries', 'predLogits', 'predMasks'] as const)
        t.same(await got[name].floats(), await expected[name].floats(), `${name} bit for bit`);
      for (const [name, key] of [
        ['queries', 'predictor.queries'],
        ['predLogits', 'pred_logits'],
        ['predMasks', 'pred_masks'],
      ] as const)
        close(t, key, await got[name].floats(), tensors[key]!.data as Float32Array, { rtol: 1e-5 });
    }
    const { backbone, files } = await inspect(golden('hf', kind, 'sharded'));
    t.ok(files.length > 1);
    const dims = {
      embedDim: kind === 'mlp' ? 96 : 64,
      depth: kind === 'mlp' ? 4 : 8,
      heads,
      feedForward: kind,
    };
    t.match(backbone, { layout: 'Hugging Face transformers', prefix: '', dims });
  });
