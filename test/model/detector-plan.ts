/** Detectors as plans over key lists: nothing of 30 GB is read or made. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { engine } from '../../lib/native/engine.js';
import type { ShapeTable } from '../../lib/native/bindings/engine.js';
import { formulaTables } from '../helpers/network.js';
import { shared, skipWithout } from '../helpers/temporary.js';

const readTable = (name: string) =>
  JSON.parse(readFileSync(join(shared, 'reference', name), 'utf8')) as ShapeTable;

t.test(
  'every key of the released files is used once or repeats one that is',
  { skip: skipWithout('reference/dinov3_vit7b16_coco_detr.head.json') },
  async (t) => {
    const backbone = readTable('dinov3_vit7b16.backbone.json');
    const head = readTable('dinov3_vit7b16_coco_detr.head.json');
    const plan = engine().planDetector(backbone, head);
    t.equal(plan.backboneKeys, Object.keys(backbone).length);
    t.equal(plan.headKeys + plan.repeatedKeys, Object.keys(head).length);
    const repeats = Object.keys(head).filter((key) => /^transformer\.decoder\.(class|bbox)_embed/.test(key));
    t.equal(plan.repeatedKeys, repeats.length);
    t.match(plan.dims, {
      embedDim: 4096,
      depth: 40,
      hiddenDim: 768,
      headHeads: 8,
      queries: 1500,
      encoderLayers: 6,
      decoderLayers: 6,
      classes: 91,
    });
    t.same(engine().planArchitecture('dinov3_vit7b16_coco_detr'), plan, 'as init makes it');
  },
);

t.test('key lists that do not fit are refused with the keys', async (t) => {
  const { backbone, head } = formulaTables('det');
  const without = (table: ShapeTable, key: string) =>
    Object.fromEntries(Object.entries(table).filter(([name]) => name !== key));
  const plan = engine().planDetector(backbone, head);
  t.equal(plan.headKeys + plan.repeatedKeys, Object.keys(head).length);
  t.equal(plan.dims['queries'], 30);
  const float = (...shape: number[]) => ({ shape, dtype: 'float32' });
  const cases: [string, ShapeTable, RegExp][] = [
    [
      'a missing key',
      without(head, 'transformer.enc_output.bias'),
      /Missing.*transformer\.enc_output\.bias/s,
    ],
    [
      'a missing repeat',
      without(head, 'transformer.decoder.class_embed.3.weight'),
      /Missing.*transformer\.decoder\.class_embed\.3\.weight/s,
    ],
    ['a missing first key', without(head, 'input_proj.0.0.weight'), /no key input_proj\.0\.0\.weight/],
    ['a superfluous key', { ...head, 'query_embed.bias': float(60) }, /Unexpected.*query_embed\.bias/s],
    ['a misshapen key', { ...head, 'input_proj.0.1.bias': float(63) }, /input_proj\.0\.1\.bias.*63/s],
    ['an odd number of queries', { ...head, 'query_embed.weight': float(61, 64) }, /even number.*61/],
    ["a segmentor's head", formulaTables('seg-swiglu').head, /is a segmentation head.*task segmentation/],
  ];
  for (const [name, table, message] of cases)
    t.throws(() => engine().planDetector(backbone, table), { code: 'CHECKPOINT_KEYS', message }, name);
  t.throws(() => engine().planDetector(without(backbone, 'norm.bias'), head), {
    code: 'CHECKPOINT_KEYS',
    message: /backbone.*DINOv3 detector.*norm\.bias/s,
  });
  t.throws(
    () => engine().planDetector(backbone, { ...head, 'input_proj.0.0.weight': float(64, 768, 1, 1) }),
    { code: 'HEAD_MISMATCH', message: /width 96.*64/ },
    'a head for another backbone width',
  );
});
