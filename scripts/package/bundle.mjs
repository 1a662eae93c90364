// The package beside an app's bundle, where it works, and inside of one, where it has to say what to do.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { attempt, expect, use } from './sandbox.mjs';

const esbuild = 'esbuild@0.28.2';

const app = `import { Tensor } from 'dinov3-seg';
console.log(Tensor.from(new Float32Array(6), [2, 3]).shape.join('×'));
`;

/** Every form that esbuild writes for Node.js, with the package excluded and without. */
export function checkBundle(project, env) {
  use(project, 'npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', esbuild]);
  writeFileSync(join(project, 'app.mjs'), app);
  const bundled = (out, flags) => {
    const args = ['--bundle', '--platform=node', '--log-level=error', `--outfile=${out}`, ...flags];
    use(project, 'npx', ['--no-install', 'esbuild', 'app.mjs', ...args]);
    return attempt(project, 'node', [out], env);
  };
  for (const [format, ending] of [
    ['esm', 'mjs'],
    ['cjs', 'cjs'],
  ]) {
    const beside = bundled(`beside.${ending}`, [`--format=${format}`, '--external:dinov3-seg']);
    expect(beside.stdout === '2×3\n', `beside a bundle (${format}): ${beside.stdout}${beside.stderr}`);
    const inside = bundled(`inside.${ending}`, [`--format=${format}`]);
    expect(inside.code !== 0, `inside of a bundle (${format}) it ran`);
    for (const part of ["code: 'ADDON'", 'esbuild --external:dinov3-seg'])
      expect(inside.stderr.includes(part), `inside of a bundle (${format}): ${inside.stderr}`);
  }
  return `${esbuild}, ESM and CommonJS`;
}
