import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { decodeNpy, encodeNpy } from '../../lib/report/npy.js';
import { writeTree } from '../helpers/temporary.js';

t.test('an array comes back as it was written', async (t) => {
  for (const [height, width] of [
    [2, 3],
    [1, 1],
    [1080, 1920],
  ] as const) {
    const data = new Uint8Array(height * width).map((_, i) => i & 255);
    const back = decodeNpy(encodeNpy(data, height, width));
    t.same([back.height, back.width], [height, width]);
    t.ok(Buffer.from(back.data).equals(Buffer.from(data)));
  }
});

t.test('the header is that of version 1.0, aligned to 64 bytes', async (t) => {
  const bytes = encodeNpy(new Uint8Array(6), 2, 3);
  t.equal(bytes.toString('latin1', 0, 8), '\x93NUMPY\x01\x00');
  t.equal(bytes.length, 128 + 6);
  const header = bytes.toString('latin1', 10, 128);
  t.match(header, /^\{'descr': '\|u1', 'fortran_order': False, 'shape': \(2, 3\), \} *\n$/);
});

const numpy = ((): false | string => {
  try {
    execFileSync('python3', ['-c', 'import numpy'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'needs a python3 with numpy';
  }
})();
t.test('NumPy reads it', { skip: numpy }, async (t) => {
  const root = await writeTree(t, { 'a.npy': encodeNpy(new Uint8Array([1, 2, 3, 4, 5, 250]), 2, 3) });
  const code = 'import numpy, sys; a = numpy.load(sys.argv[1]); print(a.dtype, a.tolist())';
  const text = execFileSync('python3', ['-c', code, join(root, 'a.npy')], { encoding: 'utf8' });
  t.equal(text.trim(), 'uint8 [[1, 2, 3], [4, 5, 250]]');
});

t.test('what does not fit is refused', async (t) => {
  t.throws(() => encodeNpy(new Uint8Array(5), 2, 3), { code: 'SHAPE', message: /2×3 needs 6 values, not 5/ });
  const good = encodeNpy(new Uint8Array(6), 2, 3);
  const floats = Buffer.from(good);
  floats.write('<f4', floats.indexOf('|u1'), 'latin1');
  for (const [title, bytes] of [
    ['another file', Buffer.from('not an array')],
    ['cut off', good.subarray(0, -1)],
    ['another type', floats],
  ] as const)
    t.throws(() => decodeNpy(bytes), { code: 'IO' }, title);
});
