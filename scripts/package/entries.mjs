// The package's two entries, before and after there is a libtorch.
import { join } from 'node:path';
import { expect, scratch, use } from './sandbox.mjs';

/** What the first call says where there is no libtorch. */
export function checkWithoutLibtorch(project) {
  const script = `require('dinov3-seg').SegmentationModel.load('model.pt').catch((e) => console.log(JSON.stringify([
    e instanceof require('dinov3-seg').DinoSegError, e.code, e.message])))`;
  const env = { XDG_CACHE_HOME: join(scratch, 'no-cache'), HOME: scratch };
  const [own, code, message] = JSON.parse(use(project, 'node', ['-e', script], env).stdout);
  expect(own && code === 'LIBTORCH_NOT_FOUND', `expected LIBTORCH_NOT_FOUND, got ${code}: ${message}`);
  for (const part of ['no-cache/dinov3-seg/libtorch', '/opt/libtorch', 'npx dinov3-seg libtorch install'])
    expect(message.includes(part), `the message does not name ${part}:\n${message}`);
  return message.replaceAll('\n', '\n     ');
}

export function checkModules(project, env) {
  const script = `const r = require('dinov3-seg'); import('dinov3-seg').then((i) => {
    if (i.DinoSegError !== r.DinoSegError || i.train !== r.train) throw new Error('two implementations');
    console.log(Object.keys(i).length); })`;
  const required = use(project, 'node', ['-e', script], env);
  const imported = use(
    project,
    'node',
    ['--input-type=module', '-e', `import { init } from 'dinov3-seg'; init({});`],
    env,
  );
  const noise = required.stderr + imported.stderr;
  expect(noise === '', `loading writes to stderr: ${noise}`);
  return `${required.stdout.trim()} exports, the same objects by require and import`;
}
