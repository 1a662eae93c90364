/** What a viewer shows of an example: its pictures as pixels, and its class maps painted over the photo. */
/* exported readLayers, paintLayer, describeAt */

/**
 * A layer that can be chosen. `map`: class indices, 255 none. `pixels`: RGBA. `errorOf`: a prediction and its truth.
 * @typedef {{ name: string, map?: Uint8Array, pixels?: Uint8ClampedArray, errorOf?: [Uint8Array, Uint8Array] }} Layer
 * @typedef {{ width: number, height: number, photo: Uint8ClampedArray, layers: Layer[] }} Picture
 * @typedef {{ colors: Map<number, number[]>, names: Map<number, string>, hidden: Set<number>, opacity: number }} Look
 */

const noClass = 255;
/** Colours of the error layer: wrong, and without a label. */
const wrongColor = [230, 30, 60];
const unlabelledColor = [128, 128, 128];

/** The indices of a palette PNG as indexed-png.ts writes it: 8 bits, filter 0.
 * A canvas would give colours instead, which browsers that guard against fingerprinting alter.
 * @param {string} source a data URI @param {number} width @param {number} height */
async function decodeMap(source, width, height) {
  const bytes = Uint8Array.from(atob(source.slice(source.indexOf(',') + 1)), (letter) =>
    letter.charCodeAt(0),
  );
  const view = new DataView(bytes.buffer);
  /** @type {Uint8Array[]} */
  const parts = [];
  for (let at = 8; at < bytes.length;) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (type === 'IDAT') parts.push(bytes.slice(at + 8, at + 8 + length));
    at += 12 + length;
  }
  const inflated = new Blob(/** @type {BlobPart[]} */ (parts))
    .stream()
    .pipeThrough(new DecompressionStream('deflate'));
  const rows = new Uint8Array(await new Response(inflated).arrayBuffer());
  const map = new Uint8Array(width * height);
  for (let y = 0; y < height; y++)
    map.set(rows.subarray(y * (width + 1) + 1, (y + 1) * (width + 1)), y * width);
  return map;
}

/** @param {HTMLImageElement} image @param {number} width @param {number} height */
async function pixelsOf(image, width, height) {
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  if (!context) throw new Error('no canvas');
  context.drawImage(image, 0, 0, width, height);
  return context.getImageData(0, 0, width, height).data;
}

/** Reads the pictures of an example once; errors are layers of their own.
 * @param {HTMLElement} article @returns {Promise<Picture>} */
async function readLayers(article) {
  /** @type {Layer[]} */
  const layers = [];
  /** @type {{ name: string, map: Uint8Array }[]} */
  const predictions = [];
  /** @type {Uint8Array | undefined} */
  let truth;
  let [width, height] = [0, 0];
  for (const figure of /** @type {NodeListOf<HTMLElement>} */ (article.querySelectorAll('figure'))) {
    const image = figure.querySelector('img');
    if (!image) continue;
    [width, height] = [Number(image.getAttribute('width')), Number(image.getAttribute('height'))];
    const { role, name = '' } = figure.dataset;
    if (role === 'photo' || role === 'picture')
      layers.push({ name, pixels: await pixelsOf(image, width, height) });
    else {
      const map = await decodeMap(image.src, width, height);
      layers.push({ name, map });
      if (role === 'truth') truth = map;
      else predictions.push({ name, map });
    }
  }
  for (const { name, map } of predictions)
    if (truth)
      layers.push({ name: predictions.length > 1 ? `error of ${name}` : 'error', errorOf: [map, truth] });
  const photo = layers[0]?.pixels;
  if (!photo) throw new Error('an example begins with its photo');
  return { width, height, photo, layers };
}

/** @param {Uint8ClampedArray} pixels @param {number} at @param {number[]} color @param {number} opacity */
function blend(pixels, at, color, opacity) {
  for (let channel = 0; channel < 3; channel++)
    pixels[at + channel] = (pixels[at + channel] ?? 0) * (1 - opacity) + (color[channel] ?? 0) * opacity;
}

/** Paints a layer: a picture unchanged; classes over the photo, without hidden ones; errors over the photo in grey.
 * @param {HTMLCanvasElement} canvas @param {Picture} picture @param {Layer} layer @param {Look} look */
function paintLayer(canvas, { width, height, photo }, { pixels, map, errorOf }, { colors, hidden, opacity }) {
  const image = new ImageData(new Uint8ClampedArray(pixels ?? photo), width, height);
  const { data } = image;
  for (let i = 0; i < width * height; i++) {
    if (map) {
      const color = colors.get(map[i] ?? noClass);
      if (color && !hidden.has(map[i] ?? noClass)) blend(data, 4 * i, color, opacity);
    } else if (errorOf) {
      const [predicted, truth] = [errorOf[0][i] ?? noClass, errorOf[1][i] ?? noClass];
      const grey = 0.3 * (data[4 * i] ?? 0) + 0.59 * (data[4 * i + 1] ?? 0) + 0.11 * (data[4 * i + 2] ?? 0);
      blend(data, 4 * i, [grey, grey, grey], 1);
      const x = i % width;
      const y = Math.floor(i / width);
      if (truth === noClass) {
        // Stripes, so that it is told from a grey photo.
        if ((x + y) % 8 < 4) blend(data, 4 * i, unlabelledColor, 0.8);
      } else if (predicted !== truth && !hidden.has(truth)) blend(data, 4 * i, wrongColor, opacity);
    }
  }
  canvas.width = width;
  canvas.height = height;
  canvas.getContext('2d')?.putImageData(image, 0, 0);
}

/** What the layers of class maps say of a pixel, as text.
 * @param {Picture} picture @param {Look} look @param {number} x @param {number} y */
function describeAt({ width, layers }, { names }, x, y) {
  const told = layers.flatMap(({ name, map }) =>
    map ? [`${name}: ${names.get(map[y * width + x] ?? noClass) ?? 'no class'}`] : [],
  );
  return told.join(' · ');
}
