/**
 * The operators of the network's forward pass, libtorch's own against the fused kernels, at the 7B's sizes for an image
 * of 512×512.
 *   node bench/network-ops.mjs [cpu|cuda] [threads]
 * Divide what a device's memory can do by the last column: how far a kernel is from it.
 */
import { engine } from '../dist/native/engine.js';
import { columnsOf, operator, operatorTable } from './operators.mjs';

const [device = 'cpu', threads] = process.argv.slice(2);
const e = engine();
const { place, row } = operatorTable("the network's operators", {
  device,
  threads,
  repeats: { plain: 20, fused: 200 },
});

const product = (shape) => shape.reduce((a, b) => a * b);
const sizeOf = { float32: 4, bfloat16: 2, float16: 2 };

/** Values of −scale … scale. */
async function values(shape, dtype = 'float32', scale = 1) {
  const data = new Float32Array(product(shape));
  for (let i = 0; i < data.length; i++) data[i] = scale * (((i * 2654435761) % 4096) / 2048 - 1);
  return e.callOperator('aten::to.dtype_layout', [await place(data, shape), dtype]);
}

/** Random values from `low` to `high`: no two planes are alike. */
async function noise(shape, low, high) {
  const data = new Float32Array(product(shape));
  for (let i = 0, state = 1; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = low + ((high - low) * state) / 2 ** 32;
  }
  return place(data, shape);
}

/** Calls `use` with tensors that are freed afterwards. */
async function withTensors(tensors, use) {
  const all = Object.fromEntries(
    await Promise.all(Object.entries(tensors).map(async ([name, tensor]) => [name, await tensor])),
  );
  await use(all);
  for (const tensor of Object.values(all)) e.dispose(tensor);
}

const [tokens, patches, width, heads, hidden] = [1029, 1024, 4096, 32, 8192];

for (const [name, sizes, queries, dtype] of [
  ['pixel decoder', [16, 16, 32, 32, 64, 64], 5376, 'float32'],
  ['pixel decoder', [16, 16, 32, 32, 64, 64], 5376, 'bfloat16'],
  ['adapter', [32, 32], 5376, 'float32'],
  ['adapter', [32, 32], 5376, 'bfloat16'],
]) {
  const [samplers, channels, points, levels] = [16, 128, 4, sizes.length / 2];
  const area = sizes.reduce((sum, size, i) => (i % 2 === 1 ? sum + size * sizes[i - 1] : sum), 0);
  const places = new Float32Array(queries * 2);
  for (let i = 0; i < queries; i++)
    places.set([((i % 64) + 0.5) / 64, (Math.floor(i / 64) + 0.5) / (queries / 64)], 2 * i);
  const parameters = queries * samplers * levels * points * 3;
  await withTensors(
    {
      value: values([1, area, samplers, channels], dtype),
      reference: place(places, [1, queries, 2]),
      offsets: values([1, queries, samplers, levels, points, 2], 'float32', 3),
      logits: values([1, queries, samplers, levels * points]),
    },
    ({ value, reference, offsets, logits }) =>
      row(
        `deformable_attend, ${name}, ${dtype}`,
        (area + queries) * samplers * channels * sizeOf[dtype] + 4 * parameters,
        (options) => operator('deformable_attend', [value, sizes, reference, offsets, logits], options),
      ),
  );
}

for (const dtype of ['bfloat16', 'float32']) {
  const table = [patches, width / heads];
  await withTensors(
    { qkv: values([1, tokens, 3, heads, width / heads], dtype), sin: values(table), cos: values(table) },
    ({ qkv, sin, cos }) =>
      row(
        `rotate_qkv, ${dtype}`,
        2 * patches * 2 * width * sizeOf[dtype] + 2 * 4 * product(table),
        async (options) => {
          // In place: what is read back and freed must be another tensor.
          e.dispose(await operator('rotate_qkv', [qkv, sin, cos], options));
          return columnsOf(qkv, 0, 1);
        },
      ),
  );
}

for (const [rows, channels, y, dtype, hasGamma] of [
  [tokens, width, 'bfloat16', 'bfloat16', true],
  [tokens, width, 'float32', 'float32', true],
  [5376, 2048, 'float32', 'float32', false],
]) {
  const tensors = {
    x: values([1, rows, channels]),
    y: values([1, rows, channels], y),
    weight: values([channels]),
    bias: values([channels]),
    ...(hasGamma ? { gamma: values([channels]) } : {}),
  };
  await withTensors(tensors, ({ x, y, gamma, weight, bias }) =>
    row(
      `add_scaled_norm, ${rows}×${channels}, ${y}`,
      rows * channels * (8 + sizeOf[y] + sizeOf[dtype]),
      async (options) => {
        const operands = [x, y, gamma, weight, bias, 1e-5, dtype];
        const [sum, normed] = await operator('add_scaled_norm', operands, options);
        e.dispose(sum);
        return normed;
      },
    ),
  );
}

for (const dtype of ['bfloat16', 'float32'])
  await withTensors({ both: values([1, tokens, 2 * hidden], dtype, 4) }, async ({ both }) => {
    const [gate, up] = [await columnsOf(both, 0, hidden), await columnsOf(both, hidden, hidden)];
    await row(`swiglu, ${dtype}`, 3 * tokens * hidden * sizeOf[dtype], (options) =>
      operator('swiglu', [gate, up], options),
    );
    e.dispose(gate);
    e.dispose(up);
  });

for (const [classes, height, columns] of [
  [26, 512, 512],
  [150, 512, 512],
  [26, 1080, 1920],
])
  await withTensors({ scores: values([1, classes, 128, 128]) }, ({ scores }) =>
    row(
      `argmax_resized, ${classes} classes, ${columns}×${height}`,
      4 * classes * 128 * 128 + height * columns,
      (options) => operator('argmax_resized', [scores, height, columns], options),
    ),
  );

for (const [classes, height, columns] of [
  [150, 512, 512],
  [150, 1080, 1920],
])
  await withTensors(
    { shares: noise([1, 100, classes], 0, 2 / classes), masks: noise([1, 100, 128, 128], -6, 6) },
    ({ shares, masks }) =>
      row(
        `argmax_masks, ${classes} classes, ${columns}×${height}`,
        4 * 100 * (classes + 128 * 128) + height * columns,
        (options) => operator('argmax_masks', [shares, masks, height, columns], options),
      ),
  );

const [pixels, classes] = [1080 * 1920, 26];
await withTensors(
  {
    // Runs of a class, as maps have them.
    map: place(
      Uint8Array.from({ length: pixels }, (_, i) => (i >> 6) % 150),
      [1080, 1920],
    ),
    tables: place(
      Uint8Array.from({ length: 512 }, (_, k) => k % classes),
      [2, 256],
    ),
  },
  ({ map, tables }) =>
    row('count_classes, 2 maps of 1920×1080', 2 * pixels, (options) =>
      operator('count_classes', [[map, map], tables, undefined, classes], options),
    ),
);

const picture = Uint8Array.from({ length: 1080 * 1920 * 3 }, (_, i) => (i * 7919) >> 3);
await withTensors({ pixels: place(picture, [1080, 1920, 3]) }, ({ pixels }) =>
  row('prepare_pixels, 1920×1080 to 512×512', picture.length + 4 * 3 * 512 * 512, (options) =>
    operator('prepare_pixels', [pixels, 512, 512, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], options),
  ),
);

// The adapter's map at 1/4, and the pixel decoder's.
for (const [channels, grid, dtype, isScaled] of [
  [width, 32, 'bfloat16', true],
  [2048, 64, 'float32', false],
]) {
  const parameters = isScaled ? { scale: values([channels]), shift: values([channels]) } : {};
  await withTensors(
    { x: values([1, 128, 128, channels], dtype), y: values([1, grid, grid, channels]), ...parameters },
    ({ x, y, scale, shift }) =>
      row(
        `add_resized, 128×128×${channels}, ${dtype}`,
        (128 * 128 * (sizeOf[dtype] + 4) + grid * grid * 4) * channels,
        (options) => operator('add_resized', [x, y, scale, shift], options),
      ),
  );
}

for (const side of [64, 128])
  await withTensors(
    { x: values([1, side * side, 2048]), weight: values([2048]), bias: values([2048]) },
    ({ x, weight, bias }) =>
      row(`group_norm_tokens, ${side}×${side}×2048`, 2 * 4 * side * side * 2048, (options) =>
        operator('group_norm_tokens', [x, 32, weight, bias, 1e-5, true], options),
      ),
  );

await withTensors(
  {
    x: values([1, 5376, 1024], 'bfloat16'),
    weight: values([1024, 1, 3, 3], 'bfloat16'),
    bias: values([1024], 'bfloat16'),
  },
  ({ x, weight, bias }) =>
    row('depthwise_gelu, 5376×1024', 2 * 2 * 5376 * 1024, (options) =>
      operator('depthwise_gelu', [x, [64, 64, 32, 32, 16, 16], weight, bias], options),
    ),
);

for (const side of [32, 64])
  await withTensors(
    {
      x: values([1, side, side, 4096], 'bfloat16'),
      weight: values([1024, 1, 3, 3], 'bfloat16'),
      normWeight: values([1024]),
      normBias: values([1024]),
    },
    ({ x, weight, normWeight, normBias }) =>
      row(`upscaled_norm, ${2 * side}×${2 * side}×1024`, 2 * 2 * 4 * side * side * 1024, (options) =>
        operator('upscaled_norm', [x, weight, normWeight, normBias, 1e-6, 'bfloat16'], options),
      ),
  );

// What a detector's boxes add to attention, and that attention: float32 with libtorch's own bias, float16 with the fused one's.
for (const [height, columns] of [
  [48, 48],
  [96, 128],
]) {
  const [queries, heads, units, places] = [1500, 8, 512, height * columns];
  const layers = (axis) => ({
    [`${axis}Hidden`]: values([units, 2], 'float32', 0.01),
    [`${axis}Shift`]: values([units]),
    [`${axis}Weight`]: values([heads, units], 'float32', 0.1),
  });
  await withTensors(
    { boxes: values([1, queries, 4], 'float32', 400), ...layers('x'), ...layers('y') },
    async ({ boxes, ...given }) => {
      const bias = (dtype, options) =>
        operator('box_bias', [boxes, height, columns, 16, ...Object.values(given), dtype], options);
      await row(
        `box_bias, ${queries} boxes on ${height}×${columns}, float16`,
        2 * heads * queries * places,
        (options) => bias('float16', options),
      );
      for (const dtype of ['float32', 'float16']) {
        const mask = await bias(dtype, { plain: false });
        await withTensors(
          { q: values([1, heads, queries, 96], dtype), k: values([1, heads, places, 96], dtype) },
          ({ q, k }) =>
            row(
              `attention with that bias, ${dtype}`,
              sizeOf[dtype] * heads * queries * places,
              ({ repeat }) => e.callOperator('aten::scaled_dot_product_attention', [q, k, k, mask], repeat),
            ),
        );
        e.dispose(mask);
      }
    },
  );
}

// What precision fp8 takes: rows in e4m3, and the products of a block with their inputs quantised, beside those in bfloat16.
/** The last of an operator's results; the others are freed. */
async function lastOf(results) {
  const [last, ...others] = (await results).reverse();
  others.forEach((other) => e.dispose(other));
  return last;
}
await withTensors({ x: values([1, tokens, width], 'bfloat16') }, ({ x }) =>
  row(`quantize_rows, ${tokens}×${width}, bfloat16`, 3 * tokens * width, (options) =>
    lastOf(operator('quantize_rows', [x], options)),
  ),
);
await withTensors(
  {
    x: values([1, tokens, width]),
    y: values([1, tokens, width], 'bfloat16'),
    gamma: values([width]),
    weight: values([width]),
    bias: values([width]),
  },
  ({ x, y, gamma, weight, bias }) =>
    row(`add_scaled_norm_quantized, ${tokens}×${width}`, (4 + 2 + 4 + 1) * tokens * width, (options) =>
      lastOf(operator('add_scaled_norm_quantized', [x, y, gamma, weight, bias, 1e-5], options)),
    ),
);
await withTensors({ both: values([1, tokens, 2 * hidden], 'bfloat16', 4) }, async ({ both }) => {
  const [gate, up] = [await columnsOf(both, 0, hidden), await columnsOf(both, hidden, hidden)];
  await row('swiglu_quantized, bfloat16', 5 * tokens * hidden, (options) =>
    lastOf(operator('swiglu_quantized', [gate, up], options)),
  );
  e.dispose(gate);
  e.dispose(up);
});
for (const [name, inputs, outputs] of device.startsWith('cuda')
  ? [
      ['qkv', width, 3 * width],
      ['proj', width, width],
      ['w1', width, hidden],
      ['w3', hidden, width],
    ]
  : [])
  await withTensors(
    {
      x: values([1, tokens, inputs], 'bfloat16'),
      weight: values([outputs, inputs], 'bfloat16', 0.02),
      bias: values([outputs], 'bfloat16'),
    },
    async ({ x, weight, bias }) => {
      const quantized = (tensor) => operator('quantize_rows', [tensor], { plain: false });
      const [[rows, scales], [inE4m3, column]] = [await quantized(x), await quantized(weight)];
      const weightScales = await e.callOperator('aten::flatten.using_ints', [column]);
      const operands = [rows, scales, inE4m3, weightScales, bias];
      await row(
        `${name}: linear in bfloat16, scaled_linear`,
        (tokens + outputs) * inputs + 2 * tokens * outputs,
        ({ plain, repeat }) =>
          plain
            ? e.callOperator('aten::linear', [x, weight, bias], repeat)
            : operator('scaled_linear', operands, { plain, repeat }),
      );
      [rows, scales, inE4m3, column, weightScales].forEach((tensor) => e.dispose(tensor));
    },
  );
