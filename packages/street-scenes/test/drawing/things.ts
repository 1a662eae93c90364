import t from 'tap';
import { ade150Names } from '../../../../lib/data/sets/ade150.js';
import { coco91Names } from '../../../../lib/data/sets/coco91.js';
import { idd26FromAde150 } from '../../../../lib/data/sets/idd26-from-ade150.js';
import { idd26Classes } from '../../../../lib/data/sets/idd26.js';
import { things } from '../../lib/drawing/things.js';

/** What an ADE20K annotator writes on what an IDD annotator calls so; null: ADE20K-150 has no such class. */
const allowed: Record<string, (string | null)[]> = {
  road: ['road'],
  parking: ['road', 'earth'],
  sidewalk: ['sidewalk'],
  'rail track': ['grass', 'dirt track', 'water'],
  person: ['person', 'animal'],
  rider: ['person'],
  motorcycle: ['minibike'],
  bicycle: ['bicycle'],
  autorickshaw: ['van'],
  car: ['car'],
  truck: ['truck'],
  bus: ['bus'],
  'vehicle fallback': ['van', 'boat', null],
  curb: ['sidewalk'],
  wall: ['wall'],
  fence: ['fence'],
  'guard rail': ['railing'],
  billboard: ['signboard', 'poster'],
  'traffic sign': ['signboard'],
  'traffic light': ['traffic light'],
  pole: ['pole', 'streetlight'],
  'obs-str-bar-fallback': ['booth', 'barrel', 'ashcan', 'bench', 'box', null],
  building: ['building', 'house', 'skyscraper'],
  bridge: ['bridge'],
  vegetation: ['tree', 'palm', 'plant', 'mountain'],
  sky: ['sky'],
};

t.test('each IDD class is drawn, with all of its ADE20K classes and no other', (t) => {
  const drawn: Record<string, Set<string | null>> = {};
  for (const { idd, ade } of Object.values(things))
    (drawn[idd26Classes[idd]![0]] ??= new Set()).add(ade === 255 ? null : ade150Names[ade]!);
  t.same(Object.keys(drawn).sort(), idd26Classes.map(([name]) => name).sort());
  for (const [idd, names] of Object.entries(allowed))
    t.same([...drawn[idd]!].map(String).sort(), names.map(String).sort(), idd);
  t.end();
});

t.test('every class that takes its first weights from ADE20K is drawn as one of those classes', (t) => {
  for (const [idd, sources] of Object.entries(idd26FromAde150))
    t.ok(
      sources.some((name) => allowed[idd]!.includes(name)),
      `${idd}: ${sources.join()}`,
    );
  t.end();
});

t.test('what is counted has a COCO category, and surfaces have none', (t) => {
  for (const [thing, { coco }] of Object.entries(things))
    if (coco) t.equal(coco91Names[coco.id], coco.name, thing);
  for (const name of ['road', 'building', 'sky', 'tree', 'billboard', 'pole'] as const)
    t.equal(things[name].coco, null);
  t.same(things.autorickshaw.coco, things.car.coco, 'a three-wheeler counts as a car');
  t.same(things.rider.coco, things.person.coco);
  t.end();
});
