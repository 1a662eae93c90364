/**
 * Where the time of a pass goes. Random weights; normally distributed images of 512×512 (tiny: 128×128) with a fixed seed: constant
 * ones draw less power, so that the device runs faster than on photographs. Passes are recorded as CUDA graphs, as in real work, and
 * the device is warmed up before.
 *   node bench/profile.mjs parts [arch] [precision] [batch] [device]
 *       milliseconds of the parts alone, of whole passes, what lies between (gap), and the GPU's clock meanwhile; JSON
 *   node bench/profile.mjs run [arch] [precision] [batch] [device]
 *       passes for CUPTI, and how many: bench/profile.sh runs this and the next
 *   node bench/profile.mjs table FILE PASSES
 *       the last pass: time and launches by kernel, and when the device waited
 */
import { readFileSync } from 'node:fs';
import { SegmentationModel, Tensor } from '../dist/index.js';
import { random } from '../dist/data/random.js';
import { engine } from '../dist/native/engine.js';
import { round } from './figures.mjs';
import { toDevice } from './network.mjs';
import { watchClock } from './sm-clock.mjs';

const [mode, ...rest] = process.argv.slice(2);
const e = engine();

/** Seconds until clock and temperature of a GPU no longer follow from what was before. */
const warmSeconds = 3;
const repeat = 21;

async function prepared(
  arch = 'dinov3_vit7b16_ade20k_m2f',
  precision = 'float16',
  batch = '1',
  device = 'cuda:0',
) {
  const size = arch === 'tiny' ? 128 : 512;
  const dtype = 'bfloat16';
  const model = await SegmentationModel.init({ arch, seed: 1, dtype, precision, device });
  const shape = [Number(batch), 3, size, size];
  const { normal } = random(1);
  const pixels = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, normal);
  const images = Tensor.wrap(await toDevice(Tensor.from(pixels, shape).handle, device));
  const map = (decoded) =>
    model.ownHead().classMap(decoded, { width: size, height: size, scoring: 'ade20k' });
  return { model, images, map, settings: { arch, precision, batch: Number(batch), size, device } };
}

/** Milliseconds of a call: mean of some in a row, the device waited for at the end only, as the engine times the parts. */
async function timeOf(device, call, count = repeat) {
  await e.synchronize(device);
  const started = performance.now();
  for (let i = 0; i < count; i++) await call();
  await e.synchronize(device);
  return (performance.now() - started) / count;
}

async function warm(device, call, atLeast = 4) {
  const until = performance.now() + 1000 * warmSeconds;
  // The first passes choose algorithms and are recorded.
  for (let pass = 0; pass < atLeast || performance.now() < until; pass++) await timeOf(device, call, 1);
}

async function parts(...given) {
  const { model, images, map, settings } = await prepared(...given);
  const { device } = settings;
  const decode = async () => (await model.decode(images)).dispose();
  const whole = async () => {
    const decoded = await model.decode(images);
    (await map(decoded)).dispose();
    decoded.dispose();
  };
  await warm(device, whole);
  const clock = watchClock();
  const before = await timeOf(device, decode);
  const alone = await e.partTimes(model.handle, images.handle, { repeat });
  // Once more: a device that got warmer meanwhile would make either of them wrong.
  const after = await timeOf(device, decode);
  const decoded = await model.decode(images);
  const classMapMs = await timeOf(device, async () => (await map(decoded)).dispose());
  const toClassMapMs = await timeOf(device, whole);
  const smClock = await clock.stop();
  const sumOfPartsMs = Object.values(alone).reduce((a, b) => a + b, 0);
  const passMs = (before + after) / 2;
  const rounded = (values) => Object.fromEntries(Object.entries(values).map(([k, v]) => [k, round(v)]));
  const report = {
    bench: 'profile parts',
    ...settings,
    gpu: e.devices().find(({ name }) => name === device)?.description,
    partsMs: rounded(alone),
    ...rounded({ sumOfPartsMs, passMs, passMsBefore: before, passMsAfter: after }),
    ...rounded({ gapMs: passMs - sumOfPartsMs, classMapMs, toClassMapMs }),
    smClock,
  };
  console.log(JSON.stringify(report, null, 2));
}

async function run(...given) {
  const { model, images, map, settings } = await prepared(...given);
  let passes = 0;
  await warm(
    settings.device,
    async () => {
      passes++;
      const decoded = await model.decode(images);
      (await map(decoded)).dispose();
      decoded.dispose();
    },
    16,
  );
  console.log(passes);
}

function table(file, passes) {
  const kernels = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => {
      const [, start, duration, name] = /^(\d+) (\d+) (.*)$/.exec(line);
      return { start: Number(start), us: Number(duration) / 1000, name };
    })
    .sort((a, b) => a.start - b.start);
  const last = kernels.slice(lastPassStart(kernels, Number(passes)));
  const groups = new Map();
  for (const kernel of last) {
    const group = groups.get(kernel.name) ?? { us: 0, launches: 0 };
    group.us += kernel.us;
    group.launches++;
    groups.set(kernel.name, group);
  }
  const ms = (us) => (us / 1000).toFixed(2);
  const total = last.reduce((sum, kernel) => sum + kernel.us, 0);
  const { span, idle } = waits(last);
  console.log(`${last.length} launches, ${ms(total)} ms of kernels in ${ms(span)} ms; idle ${ms(idle)} ms`);
  for (const [label, { us, launches }] of [...groups].sort((a, b) => b[1].us - a[1].us).slice(0, 60))
    console.log(
      `${(us / 1000).toFixed(3).padStart(8)} ms ${String(launches).padStart(5)}  ${label.slice(0, 150)}`,
    );
  console.log('in order, from the start of the pass:');
  for (const { name: label, us, start } of last) {
    const at = ((start - last[0].start) / 1e6).toFixed(3);
    console.log(`${at.padStart(8)} ms ${us.toFixed(1).padStart(8)} us  ${label.slice(0, 110)}`);
  }
}

/** Microseconds from the first start to the last end, and those in which no kernel ran. Kernels may overlap. */
function waits(kernels) {
  let [idle, end] = [0, kernels[0].start];
  for (const { start, us } of kernels) {
    idle += Math.max(0, start - end);
    end = Math.max(end, start + 1000 * us);
  }
  return { span: (end - kernels[0].start) / 1000, idle: idle / 1000 };
}

/** Where the last of several equal passes begins: the shortest run of kernels that comes twice at the end and is about as long as a pass. */
function lastPassStart(kernels, passes) {
  const least = Math.floor(kernels.length / passes / 2);
  for (let length = least; 2 * length <= kernels.length; length++) {
    const second = kernels.length - length;
    let i = 0;
    while (i < length && kernels[second + i].name === kernels[second - length + i].name) i++;
    if (i === length) return second;
  }
  throw new Error(`no pass of ${passes} comes twice among ${kernels.length} kernels`);
}

await { parts, run, table }[mode](...rest);
process.exit(0);
