/** Where the package finds its files: in its folder, unpacked beside an Electron app's archive, and in no bundle. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { packageRoot, packageRootOf } from '../lib/package-root.js';

const manifest = JSON.stringify({ name: 'dinov3-seg' });
const urlOf = (folder: string) => pathToFileURL(join(folder, 'dist/package-root.js')).href;

/** A folder of the package's name below another one. */
function installed(below: string): string {
  const folder = join(below, 'node_modules/dinov3-seg');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), manifest);
  return folder;
}

t.test('its own folder', async (t) => {
  t.equal(packageRoot, resolve(import.meta.dirname, '..'));
  const folder = installed(t.testdir());
  t.equal(packageRootOf(urlOf(folder)), folder);
});

t.test('a bundle is told what to do, wherever it lies', async (t) => {
  const app = t.testdir({ 'package.json': '{ "name": "app" }' });
  const advice =
    /is part of a bundle.*--external:dinov3-seg, Next\.js serverExternalPackages: \['dinov3-seg'\]/;
  for (const module of [undefined, urlOf(app), urlOf(join(app, 'deeper')), 'https://host/app.js'])
    t.throws(() => packageRootOf(module), { code: 'ADDON', message: advice }, String(module));
  t.throws(() => packageRootOf(urlOf(app)), { message: join(app, 'dist/package-root.js') });
});

t.test('what is unpacked beside an archive is used there', async (t) => {
  const resources = t.testdir();
  const packed = installed(join(resources, 'app.asar'));
  t.equal(packageRootOf(urlOf(packed)), packed, 'nothing is unpacked');
  const unpacked = installed(join(resources, 'app.asar.unpacked'));
  t.equal(packageRootOf(urlOf(packed)), unpacked);
  t.equal(packageRootOf(urlOf(unpacked)), unpacked);
});
