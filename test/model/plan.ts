/** The 7B network as a plan over key lists: nothing of 30 GB is read or made. */
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
  'every key of the released 7B files is used once, and the parameters count as published',
  { skip: skipWithout('reference/dinov3_vit7b16.backbone.json') },
  async (t) => {
    const backbone = readTable('dinov3_vit7b16.backbone.json');
    const head = readTable('dinov3_vit7b16_ade20k_m2f.head.json');
    const plan = engine().planSegmentor(backbone, head, 26);
    t.equal(plan.backboneKeys, Object.keys(backbone).length);
    t.equal(plan.headKeys, Object.keys(head).length);
    t.equal(plan.frozenParameters, 7_643_154_240);
    t.equal(plan.trainedParameters, 53_274);
    t.match(plan.dims, {
      embedDim: 4096,
      depth: 40,
      heads: 32,
      feedForward: 'swiglu',
      hiddenDim: 2048,
      classes: 151,
    });
  },
);

t.test('key lists that do not fit are refused with the keys', async (t) => {
  const { backbone, head } = formulaTables('seg-swiglu');
  const cut = { ...backbone };
  delete cut['blocks.1.norm1.weight'];
  const cases: [string, ShapeTable, ShapeTable, { code: string; message: RegExp }][] = [
    ['a missing key', cut, head, { code: 'CHECKPOINT_KEYS', message: /blocks\.1\.norm1\.weight/ }],
    [
      'a superfluous key',
      { ...backbone, 'blocks.0.extra': { shape: [1], dtype: 'float32' } },
      head,
      { code: 'CHECKPOINT_KEYS', message: /blocks\.0\.extra/ },
    ],
    [
      'a misshapen key',
      { ...backbone, 'norm.weight': { shape: [63], dtype: 'float32' } },
      head,
      { code: 'CHECKPOINT_KEYS', message: /norm\.weight.*63/s },
    ],
    [
      'a head for another backbone width',
      backbone,
      Object.fromEntries(
        Object.entries(head).map(([key, { shape, dtype }]) => [
          key,
          {
            shape: key.startsWith('segmentation_model.0.') ? shape.map((n) => (n === 64 ? 96 : n)) : shape,
            dtype,
          },
        ]),
      ),
      { code: 'HEAD_MISMATCH', message: /64.*96|96.*64/s },
    ],
  ];
  for (const [name, b, h, error] of cases) t.throws(() => engine().planSegmentor(b, h, 26), error, name);
  const detector = formulaTables('det');
  t.throws(() => engine().planSegmentor(detector.backbone, detector.head, 26), {
    code: 'CHECKPOINT_KEYS',
    message: /is a detection head/,
  });
});
