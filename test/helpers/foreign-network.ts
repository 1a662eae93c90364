/** Network files of strangers: small archives whose code a test chooses. */
import { writeFile } from 'node:fs/promises';
import { SavedObject, scriptEntries, type Saved } from './torch-save.js';
import { zipOf, type ZipEntry } from './zip.js';

const zeros = (...shape: number[]) => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b)) });

/** What a test may change of a network of 5 queries of width 8 and 3 classes. */
export interface ForeignNetwork {
  /** Statements of decode(images), which gives `queries` and `masks`. */
  decode?: string[];
  /** Lines of the class beside its methods: fields, methods. */
  members?: string[];
  /** Values of further fields. */
  fields?: Record<string, Saved>;
  /** Further classes and functions of the same source file. */
  code?: string[];
  /** Outputs of class_embed. Default: 3. */
  classes?: number;
  /** Changes the archive's entries. */
  change?: (entries: ZipEntry[]) => ZipEntry[];
}

const queries = 'queries = torch.zeros([torch.size(images, 0), 5, 8])';
const masks = 'masks = torch.zeros([torch.size(images, 0), 5, 8, 8])';

/** The source of the network. */
export function foreignCode({ decode = [], members = [], code = [] }: ForeignNetwork): string {
  return [
    'class Net(Module):',
    '  training : bool',
    '  class_embed : __torch__.Head',
    ...members.map((line) => `  ${line}`),
    '  def decode(self: __torch__.Net, images: Tensor) -> Tuple[Tensor, Tensor]:',
    ...[queries, masks, ...decode].map((line) => `    ${line}`),
    '    return (queries, masks)',
    '  def forward(self: __torch__.Net, images: Tensor) -> Tuple[Tensor, Tensor]:',
    '    return (self).decode(images, )',
    'class Head(Module):',
    '  __parameters__ = ["weight", "bias", ]',
    '  training : bool',
    '  weight : Tensor',
    '  bias : Tensor',
    ...code,
    '',
  ].join('\n');
}

/** Writes a network file. */
export async function writeForeign(path: string, network: ForeignNetwork): Promise<string> {
  const { fields = {}, classes = 3, change = (entries) => entries } = network;
  const head = new SavedObject('Head', { training: false, weight: zeros(classes, 8), bias: zeros(classes) });
  const object = new SavedObject('Net', { training: false, class_embed: head, ...fields });
  await writeFile(path, zipOf(change(scriptEntries(object, { '__torch__.py': foreignCode(network) }))));
  return path;
}
