import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import t from 'tap';
import { writeFiles } from '../../../../lib/native/libtorch/install/write-files.js';

t.test('a source that fails before it is read is an error of the call, not of the process', async (t) => {
  const folder = t.testdir();
  const open = async () => {
    const source = new Readable({ read() {} });
    // As zlib's errors come out of an archive: while the file to write is being created.
    setImmediate(() => source.emit('error', new Error('invalid block type')));
    return source;
  };
  await t.rejects(
    writeFiles(folder, new Map([['lib/a.so', { sizeBytes: 4, open }]]), { origin: 'torch.whl' }),
    {
      code: 'ARCHIVE',
      message: /^lib\/a\.so in torch\.whl cannot be unpacked: invalid block type\. The file is damaged/,
    },
  );
  t.ok(existsSync(join(folder, 'lib')));
});
