/** The files that a path stands for, and what the JSON files beside them say. */
import { join } from 'node:path';
import t from 'tap';
import { checkpointSource } from '../../lib/model/checkpoint-source.js';
import { writeTree } from '../helpers/temporary.js';

const json = (content: object) => JSON.stringify(content);

t.test('a folder gives the first of its weights', async (t) => {
  const map = { a: 'model-00002-of-00002.safetensors', b: 'model-00001-of-00002.safetensors' };
  const root = await writeTree(t, {
    'whole/model.safetensors': '',
    'whole/pytorch_model.bin': '',
    'shards/model.safetensors.index.json': json({ metadata: {}, weight_map: map }),
    'shards/model-00001-of-00002.safetensors': '',
    'shards/model-00002-of-00002.safetensors': '',
    'old/pytorch_model.bin.index.json': json({ weight_map: { a: 'pytorch_model-00001-of-00001.bin' } }),
    'old/pytorch_model-00001-of-00001.bin': '',
  });
  const at = (...path: string[]) => join(root, ...path);
  t.same(await checkpointSource(at('whole')), { path: at('whole'), files: [at('whole/model.safetensors')] });
  t.same(await checkpointSource(at('shards')), {
    path: at('shards'),
    files: [1, 2].map((shard) => at(`shards/model-0000${shard}-of-00002.safetensors`)),
    index: map,
  });
  t.match(await checkpointSource(at('old')), { files: [at('old/pytorch_model-00001-of-00001.bin')] });
});

t.test('settings are read beside weights of a known name alone', async (t) => {
  const config = { model_type: 'dinov3_vit', num_attention_heads: 16, rope_theta: 100, patch_size: 16 };
  const satellite = { mean: [0.43, 0.411, 0.296], std: [0.213, 0.156, 0.143] };
  const root = await writeTree(t, {
    'hf/model.safetensors': '',
    'hf/mine.pth': '',
    'hf/config.json': json(config),
    'hf/preprocessor_config.json': json({ image_mean: satellite.mean, image_std: satellite.std }),
    'timm/model.safetensors': '',
    'timm/config.json': json({ architecture: 'vit_large_patch16_dinov3', pretrained_cfg: satellite }),
  });
  const settings = { config: { ropeTheta: 100, attentionHeads: 16 }, preprocessor: satellite };
  t.match(await checkpointSource(join(root, 'hf')), settings);
  t.match(await checkpointSource(join(root, 'hf', 'model.safetensors')), settings);
  const mine = join(root, 'hf', 'mine.pth');
  t.same(await checkpointSource(mine), { path: mine, files: [mine] });
  t.match(await checkpointSource(join(root, 'timm')), { config: {}, preprocessor: satellite });
});
