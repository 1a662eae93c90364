import t from 'tap';
import { Tensor } from '../../lib/model/tensor.js';

t.test('a tensor keeps shape, dtype and values', async (t) => {
  const arrays = {
    float32: new Float32Array([1, -2, 3.5, 0, NaN, Infinity]),
    float64: new Float64Array([1, 2, 3, 4, 5, 1e-300]),
    int64: new BigInt64Array([1n, -(2n ** 62n), 0n, 4n, 5n, 6n]),
    int32: new Int32Array([1, -2, 3, 4, 5, 6]),
    int16: new Int16Array([1, -2, 3, 4, 5, 6]),
    int8: new Int8Array([1, -2, 3, 4, 5, 6]),
    uint8: new Uint8Array([1, 2, 255, 4, 5, 6]),
  };
  for (const [dtype, data] of Object.entries(arrays)) {
    using tensor = Tensor.from(data, [2, 3]);
    t.same([tensor.shape, tensor.dtype, tensor.device], [[2, 3], dtype, 'cpu']);
    t.same(await tensor.data(), data);
  }
});

t.test('the array is copied', async (t) => {
  const data = new Float32Array([1, 2]);
  using tensor = Tensor.from(data, [2]);
  data[0] = 9;
  t.same([...(await tensor.floats())], [1, 2]);
});

t.test('a shape that does not fit the array is refused', async (t) => {
  t.throws(() => Tensor.from(new Float32Array(5), [2, 3]), {
    code: 'SHAPE',
    message: /2×3 has 6 elements; the array has 5/,
  });
});

t.test('a disposed tensor keeps its shape and refuses its values', async (t) => {
  const tensor = Tensor.from(new Float32Array(2), [2]);
  tensor.dispose();
  tensor.dispose();
  t.same(tensor.shape, [2]);
  await t.rejects(tensor.data(), { code: 'DISPOSED' });
});

t.test('a slice has items of the outermost dimension, in the same memory', async (t) => {
  const whole = Tensor.from(
    Float32Array.from({ length: 12 }, (_, i) => i),
    [3, 2, 2],
  );
  using part = whole.slice(1, 2);
  t.same(part.shape, [2, 2, 2]);
  whole.dispose();
  t.same([...(await part.data())], [4, 5, 6, 7, 8, 9, 10, 11], 'it lives on without the whole');
  for (const [first, count] of [
    [0, 0],
    [-1, 1],
    [1, 2],
    [2, 1],
  ] as const)
    t.throws(() => part.slice(first, count), { code: 'SHAPE' }, `${count} from ${first}`);
  using scalar = Tensor.from(new Float32Array(1), []);
  t.throws(() => scalar.slice(0, 1), { code: 'SHAPE' });
  t.throws(() => whole.slice(0, 1), { code: 'DISPOSED' });
});
