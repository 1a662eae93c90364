/** perspective_view: kernels and plain libtorch against a float64 reference, and straight lines, on every device. */
import t, { type Test } from 'tap';
import { engine } from '../../lib/native/engine.js';
import { onDevice, opDevices, valuesOf } from '../helpers/op-devices.js';
import { perspectiveView } from '../helpers/operators.js';
import {
  drawnPanorama,
  focalOf,
  referenceView,
  rotated,
  rotationOf,
  type Direction,
} from '../helpers/panorama.js';
import { createRandom } from '../helpers/random-values.js';

/** A value may be rounded the other way where the reference is this close to the middle of two. */
const rounding = 0.02;

function checkView(t: Test, name: string, found: Uint8Array, expected: Float64Array): void {
  t.equal(found.length, expected.length);
  let worst = 0;
  for (const [i, value] of expected.entries()) worst = Math.max(worst, Math.abs(found[i]! - value) - 0.5);
  t.ok(worst < rounding, `${name}: off by ${worst.toFixed(4)} beyond rounding`);
}

const cases = [
  { name: 'ahead', size: [32, 64], yaw: 0, pitch: 0, degrees: 90, height: 24, width: 24, samples: 1 },
  {
    name: 'across ±180°',
    size: [32, 64],
    yaw: 180,
    pitch: 0,
    degrees: 90,
    height: 17,
    width: 31,
    samples: 1,
  },
  {
    name: 'to the zenith',
    size: [40, 80],
    yaw: 30,
    pitch: 90,
    degrees: 100,
    height: 20,
    width: 20,
    samples: 2,
  },
  {
    name: 'to the nadir',
    size: [40, 80],
    yaw: -75,
    pitch: -90,
    degrees: 60,
    height: 18,
    width: 22,
    samples: 1,
  },
  { name: 'reduced', size: [128, 256], yaw: -135, pitch: 20, degrees: 90, height: 16, width: 20, samples: 4 },
  { name: 'enlarged', size: [8, 16], yaw: 400, pitch: -10, degrees: 40, height: 30, width: 40, samples: 1 },
  { name: 'of one pixel', size: [1, 1], yaw: 10, pitch: 5, degrees: 90, height: 3, width: 2, samples: 3 },
  {
    name: 'of other than 2:1',
    size: [21, 50],
    yaw: 90,
    pitch: 45,
    degrees: 120,
    height: 9,
    width: 33,
    samples: 2,
  },
] as const;

for (const { device, skip } of opDevices)
  t.test(`views on ${device} are those of the reference`, { skip }, async (t) => {
    for (const { name, size, yaw, pitch, degrees, ...shape } of cases) {
      const random = createRandom(size[0]);
      const pixels = Uint8Array.from({ length: size[0] * size[1] * 3 }, () => random() * 256);
      const view = { rotation: rotationOf(yaw, pitch), focal: focalOf(shape.width, degrees), ...shape };
      const expected = referenceView(pixels, size, view);
      const placed = await onDevice(pixels, [...size, 3], device);
      for (const plain of [false, true]) {
        const result = await perspectiveView(placed, { ...view, plain });
        t.match(engine().tensorInfo(result), { shape: [shape.height, shape.width, 3], dtype: 'uint8' });
        checkView(
          t,
          `${name}, ${plain ? 'plain' : 'kernel'}`,
          (await valuesOf(result)) as Uint8Array,
          expected,
        );
      }
    }
  });

/** Rows of the brightest place in each column of a view, by their centre of mass; undefined where there is none. */
function rowsOfLine(view: Uint8Array, height: number, width: number): (number | undefined)[] {
  return Array.from({ length: width }, (_, x) => {
    let [mass, moment] = [0, 0];
    for (let y = 0; y < height; y++) {
      const value = view[(y * width + x) * 3]!;
      mass += value;
      moment += value * (y + 0.5);
    }
    return mass > 400 ? moment / mass : undefined;
  });
}

for (const { device, skip } of opDevices)
  t.test(`straight lines of the world are straight in views on ${device}`, { skip }, async (t) => {
    // What a straight line of the world looks like from one place: directions at right angles to this one.
    const normal: Direction = [0.28, -0.936, 0.21];
    const distance = ([x, y, z]: Direction) => Math.abs(x * normal[0] + y * normal[1] + z * normal[2]);
    const height = 512;
    const drawn = drawnPanorama(height, (direction) => 255 * Math.max(0, 1 - distance(direction) / 0.02));
    const placed = await onDevice(drawn, [height, 2 * height, 3], device);
    const size = { height: 160, width: 160 };
    const focal = focalOf(size.width, 90);
    for (const yaw of [0, 90, 180, 270]) {
      const rotation = rotationOf(yaw, 10);
      const view = (await valuesOf(
        await perspectiveView(placed, { ...size, rotation, focal, samples: 2 }),
      )) as Uint8Array;
      // The normal as the view sees it, by the inverse rotation.
      const transposed = [0, 3, 6, 1, 4, 7, 2, 5, 8].map((i) => rotation[i]!);
      const [a, b, c] = rotated(transposed, normal);
      let seen = 0;
      for (const [x, row] of rowsOfLine(view, size.height, size.width).entries()) {
        const expected = -(a * (x + 0.5 - size.width / 2) + c * focal) / b + size.height / 2;
        if (row === undefined || expected < 8 || expected > size.height - 8) continue;
        seen++;
        if (Math.abs(row - expected) > 0.3) t.fail(`yaw ${yaw}, column ${x}: at ${row}, not ${expected}`);
      }
      t.ok(seen > 60, `yaw ${yaw}: the line is in ${seen} columns`);
    }
  });

t.test('what is no panorama is refused', async (t) => {
  const e = engine();
  const panorama = e.tensor(new Uint8Array(24), [2, 4, 3]);
  const view = { rotation: rotationOf(0, 0), focal: 2, height: 4, width: 4, samples: 1 };
  for (const plain of [false, true]) {
    const refused = async (changed: object, message: RegExp, image = panorama) =>
      t.rejects(perspectiveView(image, { ...view, plain, ...changed }), { code: 'SHAPE', message });
    await refused({}, /expected a panorama H×W×3 uint8/, e.tensor(new Float32Array(24), [2, 4, 3]));
    await refused({ rotation: [1, 0, 0] }, /rotation of 9 values/);
    await refused({ focal: 0 }, /focal length above 0/);
    await refused({ width: 0 }, /sides/);
    await refused({ samples: 17 }, /1 to 16 samples/);
  }
});
