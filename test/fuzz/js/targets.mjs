// The readers of the TypeScript side: how inputs are made for each, and how it reads one. They run compiled, in plain Node.js.
import { createHash } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { mutateBytes, mutateJson } from './mutate.mjs';

const lib = (path) => import(`../../../dist/${path}.js`);

/** A reader of a file of this name. `read(path)` may return an iterable of what it reads. */
function ofFile(name, read, mutate = mutateBytes) {
  return {
    mutate,
    async read(bytes, scratch) {
      const path = join(scratch, name);
      mkdirSync(join(path, '..'), { recursive: true });
      writeFileSync(path, bytes);
      const result = await read(path, scratch);
      if (result?.[Symbol.asyncIterator]) for await (const _ of result);
    },
  };
}

/** A reader of bytes. */
const ofBytes = (read, mutate = mutateBytes) => ({ mutate, read });

const withTokens = (tokens) => (bytes, stream, how) => mutateBytes(bytes, stream, { ...how, tokens });

const mutateCsv = withTokens([
  ',',
  ';',
  '\t',
  '"',
  '""',
  '\r\n',
  '\n',
  '\r',
  '","',
  'id',
  'image',
  '\xff\xfe',
  'NaN',
  'https://a/b.png',
]);
const mutateYaml = withTokens([
  ': ',
  '- ',
  '&a ',
  '*a',
  '!!',
  '!!binary ',
  '!x ',
  '<<: ',
  '|\n',
  '>\n',
  '---\n',
  '...\n',
  '{',
  '}',
  '[',
  ']',
  '? ',
  '#',
  "'",
  '"',
  '%YAML 1.2\n',
  '.inf',
  '.nan',
  '0x',
  '0o',
  '2001-01-01',
  '\n  ',
]);
const mutateJpeg = withTokens([
  ...[0xc0, 0xc2, 0xc4, 0xd0, 0xd7, 0xd8, 0xd9, 0xda, 0xdb, 0xdd, 0xe1, 0xfe, 0x00, 0xff].map(
    (marker) => `\xff${String.fromCharCode(marker)}`,
  ),
  '\xff\xdd\0\x04\0\x01',
  'Exif\0\0II*\0',
]);

const pngStart = 8;

/** Corrects the checksums of a PNG's chunks, so that what was changed in them is read. */
function withPngChecksums(bytes) {
  const result = Buffer.from(bytes);
  for (let at = pngStart; at + 12 <= result.length;) {
    const end = at + 12 + result.readUInt32BE(at);
    if (end > result.length) break;
    result.writeUInt32BE(crc32(result.subarray(at + 4, end - 4)), end - 4);
    at = end;
  }
  return result;
}

function mutatePng(bytes, stream, how) {
  const changed = mutateBytes(bytes, stream, {
    ...how,
    tokens: ['IHDR', 'PLTE', 'IDAT', 'IEND', 'tEXt', 'eXIf', '\0\0\0\0IEND'],
  });
  return stream.below(4) > 0 ? withPngChecksums(changed) : changed;
}

/** Pictures of all kinds by their first bytes. */
function mutatePicture(bytes, stream, how) {
  if (bytes[0] === 0x89) return mutatePng(bytes, stream, how);
  return bytes[0] === 0xff ? mutateJpeg(bytes, stream, how) : mutateBytes(bytes, stream, how);
}

const tableId = 'b'.repeat(64);

/** Lines of JSON with a checksum each, which is that of the changed line three times in four. */
function mutateLines(bytes, stream, how) {
  if (stream.below(8) === 0) return mutateBytes(bytes, stream, how);
  const lines = bytes.toString('utf8').split('\n').slice(0, -1);
  const at = stream.below(lines.length);
  const changed = mutateJson(
    Buffer.from(lines[at].slice(0, lines[at].lastIndexOf('\t'))),
    stream,
    how,
  ).toString('utf8');
  const sum = createHash('sha256').update(`${tableId}\n${changed}`).digest('hex').slice(0, 16);
  lines[at] = `${changed}\t${stream.below(4) > 0 ? sum : '0'.repeat(16)}`;
  return Buffer.from(`${lines.join('\n')}\n`);
}

/** Lines of JSON alone. */
function mutatePlainLines(bytes, stream, how) {
  const lines = bytes.toString('utf8').split('\n').slice(0, -1);
  const at = stream.below(lines.length);
  lines[at] = mutateJson(Buffer.from(lines[at]), stream, how).toString('utf8');
  return Buffer.from(`${lines.join('\n')}\n`);
}

const pixelLimit = 1 << 16;

const tableColumns = [
  { name: 'id', kind: 'text' },
  { name: 'image', kind: 'optional-text' },
  { name: 'width', kind: 'integer' },
  { name: 'road', kind: 'number' },
  { name: 'count', kind: 'count' },
];

/** By name, with a folder of seeds of that name: loads what it needs and gives the target. */
export const targets = {
  async manifest() {
    const { imagesOfManifest } = await lib('features/manifest');
    return ofFile('images.csv', (path) => imagesOfManifest(path), mutateCsv);
  },
  async 'table-csv'() {
    const { readTable } = await lib('features/table-reader');
    return ofFile('table.csv', (path) => readTable(path, tableColumns), mutateCsv);
  },
  async quality() {
    const { readQuality } = await lib('features/quality-list');
    return ofFile(
      'table_csv_files/quality.tsv',
      (path, scratch) => readQuality(join(scratch, 'table.csv')),
      mutateCsv,
    );
  },
  async 'settings-yaml'() {
    const { readConfigFile, resolveConfig } = await lib('train/config');
    return ofFile(
      'settings.yaml',
      async (path) => void resolveConfig(await readConfigFile(path)),
      mutateYaml,
    );
  },
  async 'settings-json'() {
    const { readConfigFile, resolveConfig } = await lib('train/config');
    return ofFile(
      'settings.json',
      async (path) => void resolveConfig(await readConfigFile(path)),
      mutateJson,
    );
  },
  async 'run-description'() {
    const { readDescription } = await lib('train/run-folder');
    const { configDifferences, resolveConfig } = await lib('train/config');
    const after = resolveConfig({ model: 'm.pt', data: 'data', out: 'run' });
    const read = async (_, scratch) => {
      const { config } = await readDescription(scratch);
      configDifferences(config, after);
    };
    return ofFile('config.json', read, mutateJson);
  },
  async 'run-position'() {
    const { bestHead, parsePosition } = await lib('train/run-position');
    return ofBytes(
      (bytes) => void bestHead(parsePosition('last.safetensors', bytes.toString('utf8')).heads),
      mutateJson,
    );
  },
  async 'class-file'() {
    const { readClassFile } = await lib('data/class-file');
    return ofFile('classes.json', (path) => readClassFile(path), mutateJson);
  },
  async 'feature-map'() {
    const { readFeatureMap } = await lib('features/aggregation');
    return ofFile('map.json', (path) => readFeatureMap(path), mutateJson);
  },
  async 'class-map'() {
    const { loadSourceClasses } = await lib('data/source-classes');
    const { loadClassSet } = await lib('data/class-sets');
    const set = await loadClassSet('idd26');
    return ofFile('map.json', (path) => loadSourceClasses(set, path), mutateJson);
  },
  async polygons() {
    const { readPolygons } = await lib('data/polygons');
    const options = [{ unknown: 'ignore' }, { unknown: 'refuse' }];
    return ofBytes((bytes) => void readPolygons(bytes, 'input', options[bytes.length % 2]), mutateJson);
  },
  async bmp() {
    const { decodeImage } = await lib('data/decode');
    return ofBytes((bytes) => decodeImage(withStart(bytes, 'BM'), { maxPixels: pixelLimit }));
  },
  async 'jpeg-structure'() {
    const { jpegLack, withEndMarker } = await lib('data/jpeg-structure');
    const read = (bytes) => {
      jpegLack(bytes);
      jpegLack(withEndMarker(bytes));
    };
    return ofBytes(read, mutateJpeg);
  },
  async 'png-label'() {
    const { plainPng } = await lib('data/png-label');
    const { noteOfLabelFile } = await lib('data/label-file');
    const read = (bytes) => {
      noteOfLabelFile(bytes);
      plainPng(bytes, 'input');
    };
    return ofBytes(read, mutatePng);
  },
  async image() {
    const { decodeImage, decodeLabel } = await lib('data/decode');
    // From a file, which is left if the codec ends the process.
    const read = async (bytes, scratch) => {
      writeFileSync(join(scratch, 'input'), bytes);
      await decodeImage(bytes, { maxPixels: pixelLimit });
      await decodeLabel(bytes);
    };
    return ofBytes(read, mutatePicture);
  },
  async 'image-kind'() {
    const { imageKindOf } = await lib('images/image-kinds');
    return ofBytes((bytes) => void imageKindOf(bytes), mutatePicture);
  },
  async gps() {
    const { withGps } = await lib('features/gps');
    const read = (path) => withGps({ carried: [], entries: [{ id: 'a', path, carried: [] }] });
    return ofFile('input.jpg', read, mutateJpeg);
  },
  async 'cache-index'() {
    const { readIndex } = await lib('cache/index-file');
    return ofFile('index.jsonl', (path) => readIndex(path, tableId), mutateLines);
  },
  async journal() {
    const { Journal } = await lib('features/journal');
    const read = async (path) => {
      const journal = await Journal.open(path, tableId);
      try {
        for (const entry of journal.entries.values()) await journal.rows(entry);
      } finally {
        await journal.close();
      }
    };
    return ofFile('journal.jsonl', read, mutateLines);
  },
  async predictions() {
    const { PredictionRecord } = await lib('predict/prediction-record');
    const read = async (_, scratch) => {
      const record = await PredictionRecord.open(scratch, { model: 'a' });
      record.foldersOfOthers(['/a/x.png']);
      mkdirSync(join(scratch, 'x_segmentation'), { recursive: true });
      await record.has('/a/x.png', 'x_segmentation', ['raw']);
    };
    return ofFile('predictions.jsonl', read, mutatePlainLines);
  },
  async 'checkpoint-config'() {
    const { checkpointSource } = await lib('model/checkpoint-source');
    const read = (_, scratch) => {
      writeFileSync(join(scratch, 'model.safetensors'), '');
      return checkpointSource(scratch);
    };
    return ofFile('config.json', read, mutateJson);
  },
  async 'checkpoint-index'() {
    const { checkpointSource } = await lib('model/checkpoint-source');
    const read = (path, scratch) => {
      writeFileSync(join(scratch, 'a.safetensors'), '');
      return checkpointSource(path);
    };
    return ofFile('model.safetensors.index.json', read, mutateJson);
  },
  async lists() {
    const { openLists } = await lib('data/layouts/lists');
    const read = async (path) => (await openLists(path, true, 'labelIds')).find('all');
    return ofFile('all.txt', read, withTokens(['\t', ' ', '#', '/', '../', '.json', '\ufeff']));
  },
  async npy() {
    const { decodeNpy } = await lib('report/npy');
    return ofBytes((bytes) => void decodeNpy(bytes));
  },
  async elf() {
    const { isCutShort } = await lib('native/elf');
    return ofFile('library.so', (path) => void isCutShort(path));
  },
  async wheel() {
    const { openZip } = await lib('native/libtorch/install/zip');
    const read = async (path) => (await openZip(path, 'torch.whl')).close();
    return ofFile(
      'torch.whl',
      read,
      withTokens(['PK\x01\x02', 'PK\x03\x04', 'PK\x05\x06', '../', '/', '\\']),
    );
  },
};

/** Most changes would only make another kind of picture of it. */
function withStart(bytes, start) {
  const result = Buffer.from(bytes);
  result.write(start, 'latin1');
  return result;
}

/** An empty folder for a reader's files. */
export function cleanFolder(path) {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  return path;
}
