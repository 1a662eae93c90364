/**
 * The backbone of a formula case under the names of each publisher, and files of it. The names are those of real files
 * (test/fixtures/layouts/keys.json; N is a block's number); the values follow from Meta's, independently of the package.
 */
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Tensor } from '../../lib/model/tensor.js';
import { engine } from '../../lib/native/engine.js';
import { formulaKeys, formulaTensor } from './formula.js';
import type { SavedTensor } from './torch-save.js';

export type Layout = 'meta' | 'hugging-face' | 'timm';
export type FeedForward = 'swiglu' | 'mlp';

/** Tensors by key, in a file's order. */
export type StateDict = Record<string, SavedTensor & { data: Float32Array }>;

const stored = JSON.parse(
  readFileSync(join(import.meta.dirname, '../fixtures/layouts/keys.json'), 'utf8'),
) as Record<string, string[]>;

/** Part of one of Meta's tensors: a third of its rows, or all of it. */
interface Origin {
  meta: string;
  third?: number;
}

const huggingFace: Record<FeedForward, [RegExp, string][]> = {
  swiglu: [
    [/mlp\.gate_proj/, 'mlp.w1'],
    [/mlp\.up_proj/, 'mlp.w2'],
    [/mlp\.down_proj/, 'mlp.w3'],
  ],
  mlp: [
    [/mlp\.up_proj/, 'mlp.fc1'],
    [/mlp\.down_proj/, 'mlp.fc2'],
  ],
};
const timm: Record<FeedForward, [RegExp, string][]> = {
  swiglu: [
    [/mlp\.fc1_g/, 'mlp.w1'],
    [/mlp\.fc1_x/, 'mlp.w2'],
    [/mlp\.fc2/, 'mlp.w3'],
  ],
  mlp: [],
};
const names: Record<Exclude<Layout, 'meta'>, (ff: FeedForward) => [RegExp, string][]> = {
  'hugging-face': (ff) => [
    [/embeddings\.register_tokens/, 'storage_tokens'],
    [/embeddings\.patch_embeddings/, 'patch_embed.proj'],
    [/embeddings\./, ''],
    [/^layer\./, 'blocks.'],
    [/attention\.o_proj/, 'attn.proj'],
    [/attention\.[qkv]_proj/, 'attn.qkv'],
    [/layer_scale(\d)\.lambda1/, 'ls$1.gamma'],
    ...huggingFace[ff],
  ],
  timm: (ff) => [
    [/reg_token/, 'storage_tokens'],
    [/gamma_(\d)/, 'ls$1.gamma'],
    [/attn\.[qv]_bias/, 'attn.qkv.bias'],
    ...timm[ff],
  ],
};

function originOf(key: string, layout: Exclude<Layout, 'meta'>, feedForward: FeedForward): Origin {
  const meta = names[layout](feedForward).reduce((name, [own, theirs]) => name.replace(own, theirs), key);
  const [, part] = /\.([qkv])_(?:proj|bias)/.exec(key) ?? [];
  return part === undefined ? { meta } : { meta, third: 'qkv'.indexOf(part) };
}

/** The backbone of `seg-swiglu` or `seg-mlp` in a layout. */
export function backboneIn(layout: Layout, feedForward: FeedForward): StateDict {
  const { backbone } = formulaKeys(`seg-${feedForward}`);
  const meta: StateDict = Object.fromEntries(
    Object.entries(backbone).map(([key, shape]) => [key, formulaTensor(key, shape)]),
  );
  return layout === 'meta' ? meta : inLayout(meta, layout, feedForward);
}

/** A backbone of Meta's keys under those of another publisher. */
export function inLayout(
  meta: StateDict,
  layout: Exclude<Layout, 'meta'>,
  feedForward: FeedForward,
): StateDict {
  const blocks = Object.keys(meta).filter((key) => key.endsWith('norm1.weight'));
  const keys = stored[`${layout}-${feedForward}`]!.flatMap((key) =>
    key.includes('.N.') ? blocks.map((_, i) => key.replace('.N.', `.${i}.`)) : [key],
  );
  return Object.fromEntries(
    keys.map((key) => {
      const origin = originOf(key, layout, feedForward);
      const { shape, data } = meta[origin.meta]!;
      if (key.endsWith('mask_token')) return [key, { shape: [1, ...shape], data }];
      if (origin.third === undefined) return [key, { shape, data }];
      const [from, to] = [origin.third, origin.third + 1].map((third) => (third * data.length) / 3);
      return [key, { shape: [shape[0]! / 3, ...shape.slice(1)], data: data.slice(from, to) }];
    }),
  );
}

/** Keys with another name each. */
export function renamed(tensors: StateDict, rename: (key: string) => string): StateDict {
  return Object.fromEntries(Object.entries(tensors).map(([key, tensor]) => [rename(key), tensor]));
}

/** Writes a .safetensors file; returns its path. */
export async function writeTensors(path: string, tensors: StateDict): Promise<string> {
  const handles = Object.entries(tensors).map(
    ([key, { data, shape }]) => [key, Tensor.from(data, shape).handle] as const,
  );
  await engine().writeSafetensors(path, Object.fromEntries(handles), {});
  return path;
}

/** Writes a folder with the tensors in `count` shards and their index; returns the index's `weight_map`. */
export async function writeShards(
  folder: string,
  tensors: StateDict,
  count: number,
): Promise<Record<string, string>> {
  await mkdir(folder, { recursive: true });
  const entries = Object.entries(tensors);
  const digits = (number: number) => String(number).padStart(5, '0');
  const map: Record<string, string> = {};
  for (let shard = 0; shard < count; shard += 1) {
    const name = `model-${digits(shard + 1)}-of-${digits(count)}.safetensors`;
    const part = entries.slice((shard * entries.length) / count, ((shard + 1) * entries.length) / count);
    await writeTensors(join(folder, name), Object.fromEntries(part));
    for (const [key] of part) map[key] = name;
  }
  await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }));
  return map;
}
