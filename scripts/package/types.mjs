// The types of the installed package, as its users' compilers see them.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../native-build.mjs';

/** Uses classes as types and as values; the expected errors would not be errors if anything were `any`. */
const body = `
export async function share(path: string, options: LoadOptions): Promise<number> {
  const model: SegmentationModel = await SegmentationModel.load(path, options);
  const head: ClassHead = await ClassHead.load('head.safetensors');
  const map: ClassMap = await model.segment('street.jpg', { head });
  // @ts-expect-error: there is no such property
  map.nothing;
  // @ts-expect-error: there is no such option
  await model.segment('street.jpg', { heads: head });
  const pixels: Uint8Array = map.data;
  model.dispose();
  return pixels.length;
}
export async function percentages(model: string, head: string): Promise<Record<string, number>> {
  const segmenter: Segmenter = await openSegmenter({ model, head });
  // @ts-expect-error: there is no such option
  await segmenter.percentages('street.jpg', { imagesize: 512 });
  const { classSet }: SegmentedImage = await segmenter.segment('street.jpg');
  return { classes: classSet.classes.length, ...(await segmenter.percentages('street.jpg')) };
}
export const failed = (error: unknown): ErrorCode | undefined =>
  error instanceof DinoSegError ? error.code : undefined;
// @ts-expect-error: there is no such code
new DinoSegError('NOTHING', 'message');
`;
const names =
  'ClassHead, DinoSegError, SegmentationModel, openSegmenter, ' +
  'type ClassMap, type ErrorCode, type LoadOptions, type SegmentedImage, type Segmenter';
const sources = {
  'types/esm.mts': `import { ${names} } from 'dinov3-seg';\n${body}`,
  'types/commonjs.cts': `import { ${names} } from 'dinov3-seg';\n${body}`,
  'types/required.cts': `import seg = require('dinov3-seg');
export const model: Promise<seg.SegmentationModel> = seg.SegmentationModel.load('model.pt');\n`,
};

/** module, moduleResolution, files */
const settings = [
  ['node16', 'node16', ['types/esm.mts', 'types/commonjs.cts', 'types/required.cts']],
  ['nodenext', 'nodenext', ['types/esm.mts', 'types/commonjs.cts', 'types/required.cts']],
  ['esnext', 'bundler', ['types/esm.mts']],
  ['preserve', 'bundler', ['types/esm.mts', 'types/commonjs.cts', 'types/required.cts']],
];

/**
 * Type-checks small programs against the package installed in `project`, without skipLibCheck.
 *
 * @returns what was checked; throws with the compiler's output.
 */
export function checkTypes(project) {
  mkdirSync(join(project, 'types'));
  for (const [name, text] of Object.entries(sources)) writeFileSync(join(project, name), text);
  const node = (script, args) => {
    try {
      execFileSync(process.execPath, [join(root, script), ...args], { cwd: project, encoding: 'utf8' });
    } catch ({ stdout, stderr }) {
      throw new Error(`${script} ${args.join(' ')}:\n${stdout}${stderr}`);
    }
  };
  const common = ['--noEmit', '--strict', '--target', 'es2022', '--lib', 'es2023,esnext.disposable'];
  const nodeTypes = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')];
  for (const [module, resolution, files] of settings)
    node('node_modules/typescript/bin/tsc', [
      ...[...common, ...nodeTypes],
      ...['--module', module, '--moduleResolution', resolution, ...files],
    ]);
  node('scripts/check-public-types.mjs', [join(project, 'node_modules/dinov3-seg/dist/index.d.ts')]);
  return `${settings.map((s) => s.slice(0, 2).join('+')).join(', ')}; no \`any\``;
}
