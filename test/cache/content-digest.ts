import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { engine } from '../../lib/native/engine.js';

const root = t.testdir();

async function digestOf(content: string | Uint8Array): Promise<string> {
  const path = join(root, 'file');
  writeFileSync(path, content);
  return engine().contentDigest(path);
}

t.test('contentDigest gives the known XXH64 of short texts', async (t) => {
  t.equal(await digestOf(''), 'ef46db3751d8e999');
  t.equal(await digestOf('a'), 'd24ec4f1a98c6e5b');
  t.equal(await digestOf('abc'), '44bc2cf5ad770999');
});

t.test('and what the reference implementation gives of any length', async (t) => {
  // By python-xxhash 3.0.0 (libxxhash 0.8.1) of the bytes (i · 7919 >> 3) & 255.
  const recorded: [number, string][] = [
    [1, 'e934a84adb052768'],
    [3, '8c0c7465764a5905'],
    [4, 'e0f3b64a44f5ce22'],
    [8, 'cd23b9fead802c7a'],
    [14, '32df73cdbe15424f'],
    [31, '1be79a0cf03250b4'],
    [32, 'e9e60d182ee883c4'],
    [33, 'dabf6b6263fcd3b5'],
    [63, 'bf996d6ffe0b48dc'],
    [64, '27d7a1f3a07f493c'],
    [100, '2617987ad051c30e'],
    [1000, 'c53a739d4c42f9ff'],
    [100003, 'f874ff4554508edd'],
  ];
  for (const [length, digest] of recorded)
    t.equal(
      await digestOf(Uint8Array.from({ length }, (_, i) => (i * 7919) >> 3)),
      digest,
      `${length} bytes`,
    );
});

t.test('a file that is not there is FILE_NOT_FOUND', (t) =>
  t.rejects(engine().contentDigest(join(root, 'absent')), { code: 'FILE_NOT_FOUND' }),
);
