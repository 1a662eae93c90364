import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { basename, join } from 'node:path';
import t from 'tap';
import { DinoSegError } from '../lib/errors.js';
import {
  atomicWriteFile,
  makeFolder,
  readBytes,
  readError,
  replaceFolder,
  writeError,
} from '../lib/files.js';
import { writeTree } from './helpers/temporary.js';

const hasPrlimit = ((): boolean => {
  try {
    execFileSync('prlimit', ['--pid', String(process.pid), '--fsize'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

/** Runs `work` while no file of this process may grow beyond 64 KiB: what a full disk or quota looks like. */
async function withFullDisk(work: () => Promise<void>): Promise<void> {
  const limit = (bytes: string): void => {
    execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`]);
  };
  // Without a handler this signal would end the process; with one, writing fails with EFBIG.
  const ignore = (): void => {};
  process.on('SIGXFSZ', ignore);
  limit('65536');
  try {
    await work();
  } finally {
    limit('unlimited');
    process.off('SIGXFSZ', ignore);
  }
}

function systemError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: something, write`), { code });
}

t.test('a file is written whole, replaces what was there, and leaves nothing beside it', async (t) => {
  const root = await writeTree(t, { 'a.txt': 'old' });
  await atomicWriteFile(join(root, 'a.txt'), 'new');
  await atomicWriteFile(join(root, 'deep/er/b.bin'), new Uint8Array([1, 2, 3]));
  t.equal(await fs.readFile(join(root, 'a.txt'), 'utf8'), 'new');
  t.same([...(await fs.readFile(join(root, 'deep/er/b.bin')))], [1, 2, 3]);
  t.same((await fs.readdir(root)).sort(), ['a.txt', 'deep']);
  t.same(await fs.readdir(join(root, 'deep/er')), ['b.bin']);
});

t.test(
  'a full disk is DISK_FULL: the old file stays and the temporary one goes',
  { skip: hasPrlimit ? false : 'needs the prlimit command' },
  async (t) => {
    const root = await writeTree(t, { 'a.txt': 'old' });
    const path = join(root, 'a.txt');
    await withFullDisk(async () => {
      await t.rejects(atomicWriteFile(path, new Uint8Array(200_000)), {
        code: 'DISK_FULL',
        message: /a\.txt could not be written.*Free some space/,
      });
    });
    t.equal(await fs.readFile(path, 'utf8'), 'old');
    t.same(await fs.readdir(root), ['a.txt']);
    await atomicWriteFile(path, new Uint8Array(200_000));
    t.equal((await fs.stat(path)).size, 200_000, 'with space it works again');
  },
);

t.test(
  'a full disk while a folder is written leaves the old folder as it was',
  { skip: hasPrlimit ? false : 'needs the prlimit command' },
  async (t) => {
    const root = await writeTree(t, { 'run/one.txt': 'old' });
    const target = join(root, 'run');
    await withFullDisk(async () => {
      await t.rejects(
        replaceFolder(target, async (write) => {
          await write('one.txt', 'new');
          await write('two.bin', new Uint8Array(200_000));
        }),
        { code: 'DISK_FULL', message: /run.two\.bin/ },
      );
    });
    t.same(await fs.readdir(root), ['run']);
    t.same(await fs.readdir(target), ['one.txt']);
    t.equal(await fs.readFile(join(target, 'one.txt'), 'utf8'), 'old');
  },
);

t.test(
  'a real ENOSPC is DISK_FULL',
  { skip: existsSync('/dev/full') ? false : 'needs /dev/full' },
  async (t) => {
    const cause = await fs.writeFile('/dev/full', 'x').then(
      () => undefined,
      (error: unknown) => error,
    );
    t.match(writeError('/dev/full', cause), { code: 'DISK_FULL', cause: { code: 'ENOSPC' } });
  },
);

t.test('system errors get the code that fits', async (t) => {
  for (const [code, expected] of [
    ['ENOSPC', 'DISK_FULL'],
    ['EDQUOT', 'DISK_FULL'],
    ['EFBIG', 'DISK_FULL'],
    ['EROFS', 'IO'],
    ['EACCES', 'IO'],
  ])
    t.match(writeError('f', systemError(code!)), { code: expected }, `writing, ${code}`);
  for (const [code, expected] of [
    ['ENOENT', 'FILE_NOT_FOUND'],
    ['EACCES', 'FILE_NOT_FOUND'],
    ['EISDIR', 'FILE_NOT_FOUND'],
    ['EIO', 'IO'],
  ])
    t.match(readError('f', systemError(code!)), { code: expected }, `reading, ${code}`);
  const own = new DinoSegError('IMAGE', 'own');
  t.equal(writeError('f', own), own, 'an error of this package stays itself');
  t.equal(readError('f', own), own);
  t.match(writeError('f', 'text'), { code: 'IO', message: /text/ });
});

t.test('an absent file is FILE_NOT_FOUND with its path', async (t) => {
  await t.rejects(readBytes('/nowhere/at/all.bin'), {
    code: 'FILE_NOT_FOUND',
    message: /nowhere.*does not exist/,
  });
  await t.rejects(readBytes(t.testdir()), { code: 'FILE_NOT_FOUND' }, 'a folder is no file');
});

t.test('writing below a file is IO', async (t) => {
  const root = await writeTree(t, { file: 'x' });
  await t.rejects(atomicWriteFile(join(root, 'file/below.txt'), 'y'), { code: 'IO' });
  await t.rejects(
    replaceFolder(join(root, 'file/below'), async () => {}),
    { code: 'IO' },
  );
  t.same(await fs.readdir(root), ['file']);
});

t.test('a folder appears with all its files, and replaces an old one', async (t) => {
  const root = await writeTree(t, { 'out/stale.txt': 'old' });
  const target = join(root, 'out');
  await replaceFolder(target, async (write) => {
    await write('a.txt', '1');
    t.ok(existsSync(join(target, 'stale.txt')), 'the old one stays until the new one is whole');
    await write('sub/b.txt', '2');
  });
  t.same((await fs.readdir(target, { recursive: true })).sort(), ['a.txt', 'sub', join('sub', 'b.txt')]);
  t.same(await fs.readdir(root), ['out']);
  if (process.platform !== 'win32')
    t.equal((await fs.stat(target)).mode & 0o777, 0o777 & ~process.umask(), 'with the usual permissions');
});

t.test('an error while a folder is filled passes through and leaves nothing', async (t) => {
  const root = t.testdir();
  const error = new Error('scene failed');
  await t.rejects(
    replaceFolder(join(root, 'new'), async (write) => {
      await write('a.txt', '1');
      throw error;
    }),
    error,
  );
  t.same(await fs.readdir(root), [], basename(root));
});

t.test('a folder that cannot be made says why, where Node.js says that it does not exist', async (t) => {
  const root = await writeTree(t, { 'a.txt': 'file' });
  const { mkdir } = fs;
  const readOnly = join(root, 'read-only');
  t.intercept(fs, 'mkdir', {
    value: async (path: string, options?: { recursive?: boolean }) => {
      if (path.startsWith(readOnly)) throw systemError(options?.recursive ? 'ENOENT' : 'EROFS');
      return mkdir(path, options);
    },
  });
  t.teardown(syncBuiltinESMExports);
  syncBuiltinESMExports();
  const expected = { code: 'IO', message: /EROFS.*mounted read-only\. Choose another folder/ };
  await t.rejects(makeFolder(readOnly), expected);
  await t.rejects(atomicWriteFile(join(readOnly, 'x.txt'), ''), expected);
  await t.rejects(
    replaceFolder(join(readOnly, 'folder'), async () => {}),
    expected,
  );
  await makeFolder(join(root, 'b/c/d'));
  await makeFolder(join(root, 'b/c/d'));
  t.ok(existsSync(join(root, 'b/c/d')));
  await t.rejects(makeFolder(join(root, 'a.txt')), { code: 'IO', message: /EEXIST/ });
  await t.rejects(makeFolder(join(root, 'a.txt/below')), { code: 'IO', message: /ENOTDIR/ });
});

t.test(
  'a folder where none can be made is refused, which Node.js tries for ever',
  { skip: existsSync('/proc/self') ? false : 'needs /proc' },
  async (t) => {
    await t.rejects(makeFolder('/proc/none/below'), { code: 'IO', message: /ENOENT/ });
  },
);

t.test('a bad disk says what to do', (t) => {
  for (const [code, advice] of [
    ['EIO', /Check the disk, then run/],
    ['ESTALE', /Mount the folder again, then run/],
    ['EACCES', /ask for the permission/],
  ] as const)
    t.match(writeError('a', systemError(code)), { code: 'IO', message: advice });
  t.match(readError('a', systemError('ESTALE')), { code: 'IO', message: /Mount the folder again/ });
  t.end();
});
