import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { PassForecast } from '../../lib/cache/forecast.js';
import { Forecast } from '../../lib/cache/forecast.js';
import { close } from '../helpers/close.js';
import { cacheSource, fill } from '../helpers/tiny-cache.js';
import { tinySettings } from '../helpers/tiny-run.js';

/** Images that take so many seconds each, until the forecast is told; how many that took. */
function tell(
  total: number,
  secondsOf: (image: number) => number,
): { forecast: PassForecast; after: number } {
  let now = 1000;
  const forecast = new Forecast(total, () => now);
  while (!forecast.isDue) {
    now += 1000 * secondsOf(forecast.done);
    forecast.add();
  }
  return { forecast: forecast.make(7), after: forecast.done };
}

t.test('the time of a pass follows from its first images, without the very first', async (t) => {
  // The first image takes half a minute, the others two seconds.
  const { forecast, after } = tell(101, (image) => (image === 0 ? 30 : 2));
  t.equal(after, 5, 'four images tell');
  close(t, 'seconds', [forecast.seconds], [30 + 100 * 2], { rtol: 1e-9 });
  t.match(forecast, { records: 101, bytes: 7 });
});

t.test('fast images are counted for two seconds', async (t) => {
  const { forecast, after } = tell(100_000, (image) => (image === 0 ? 1 : image % 2 ? 0.01 : 0.03));
  t.equal(after, 101);
  close(t, 'seconds', [forecast.seconds], [2001], { rtol: 1e-3 });
});

t.test('a pass of a few images tells at its end what it took', async (t) => {
  for (const total of [1, 2, 4]) {
    const { forecast, after } = tell(total, () => 3);
    t.equal(after, total);
    close(t, `${total} images`, [forecast.seconds], [3 * total], { rtol: 1e-9 });
  }
});

t.test('a forecast is told once', async (t) => {
  const forecast = new Forecast(1, () => 0);
  t.notOk(forecast.isDue);
  forecast.add();
  t.ok(forecast.isDue);
  forecast.make(1);
  t.notOk(forecast.isDue);
});

t.test('the size that is told is the size of the folder, to a tenth', async (t) => {
  const root = t.testdir();
  const source = await cacheSource(await tinySettings(root, { train: 12, val: 3 }));
  // An image a second.
  let now = 0;
  t.intercept(performance, 'now', { value: () => now });
  const told: [number, PassForecast][] = [];
  let done = 0;
  const cache = join(root, 'cache');
  await fill(cache, source, {
    onProgress: (progress) => {
      done = progress.done;
      now += 1000;
    },
    onForecast: (forecast) => told.push([done, forecast]),
  });
  t.equal(told.length, 1);
  const [[after, { records, bytes }]] = told as [[number, PassForecast]];
  t.ok(after <= 6, `told after ${after} images`);
  t.equal(records, 27);
  const size = readdirSync(cache).reduce((sum, name) => sum + statSync(join(cache, name)).size, 0);
  close(t, 'bytes', [bytes], [size], { rtol: 0.1 });
});
