/** Which markers of a JPEG file lack (ITU-T T.81, annex B). */

/** What a JPEG lacks; undefined: nothing that its markers would show. */
export type JpegLack =
  /** The end marker, after all scans of the picture have begun. */
  | { readonly kind: 'end' }
  /** Restart markers: `missing` of `expected`, one after every `blocks` units of the picture. */
  | { readonly kind: 'restarts'; readonly missing: number; readonly expected: number }
  | undefined;

const markers = { startOfScan: 0xda, end: 0xd9, restartInterval: 0xdd } as const;
const endMarker = Buffer.from([0xff, markers.end]);

const isRestart = (marker: number): boolean => marker >= 0xd0 && marker <= 0xd7;
/** Frames; C4, C8 and CC are tables. */
const isFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
const isProgressive = (marker: number): boolean => [0xc2, 0xc6, 0xca, 0xce].includes(marker);

interface Component {
  id: number;
  horizontal: number;
  vertical: number;
  /** Of each coefficient, whether a scan gives its last bit. */
  isFinal: boolean[];
}

interface Frame {
  width: number;
  height: number;
  isProgressive: boolean;
  components: Component[];
}

/** What a file lacks. Files with an end marker and without restart intervals are not looked through. */
export function jpegLack(file: Uint8Array): JpegLack {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const structure = new JpegStructure(bytes);
  structure.readHeader();
  const hasEnd = bytes.lastIndexOf(endMarker) > structure.position;
  if (hasEnd && structure.interval === 0) return undefined;
  structure.readScans();
  const { expected, found } = structure;
  if (expected > found) return { kind: 'restarts', missing: expected - found, expected };
  return !hasEnd && structure.isComplete() ? { kind: 'end' } : undefined;
}

/** A file with an end marker, after any bytes in between. */
export function withEndMarker(file: Uint8Array, between: Uint8Array = new Uint8Array()): Buffer {
  // Of an end marker that is cut in the middle, the first byte is there.
  const kept = file.at(-1) === 0xff ? file.subarray(0, -1) : file;
  return Buffer.concat([kept, between, endMarker]);
}

class JpegStructure {
  /** Of the next byte. */
  position = 2;
  /** Units between two restart markers; 0: none. */
  interval = 0;
  /** Restart markers that the scans should have and have. */
  expected = 0;
  found = 0;
  #frame: Frame | undefined;

  constructor(private readonly bytes: Buffer) {}

  /** Reads up to the first scan. */
  readHeader(): void {
    for (let marker = this.#next(); marker !== undefined; marker = this.#next()) {
      if (marker === markers.startOfScan) {
        this.position -= 2;
        return;
      }
      this.#read(marker);
    }
  }

  /** Reads all scans, up to the end of the picture. */
  readScans(): void {
    for (let marker = this.#next(); marker !== undefined; marker = this.#next()) {
      if (marker === markers.end) return;
      const segment = this.#read(marker);
      if (marker === markers.startOfScan && segment) this.#readScan(segment);
    }
  }

  /** Whether the scans give all of every component. */
  isComplete(): boolean {
    const { components } = this.#frame ?? { components: [] };
    return components.length > 0 && components.every(({ isFinal }) => isFinal.every(Boolean));
  }

  /** The next marker; undefined at the end of the file. */
  #next(): number | undefined {
    const { bytes } = this;
    for (;;) {
      const at = bytes.indexOf(0xff, this.position);
      if (at < 0 || at + 1 >= bytes.length) return undefined;
      const marker = bytes[at + 1]!;
      // 0xFF may fill; 0 follows a byte of the picture that is 0xFF.
      this.position = marker === 0xff ? at + 1 : at + 2;
      if (marker !== 0xff && marker !== 0) return marker;
    }
  }

  /** Reads a marker's segment; undefined for markers without one, and where the file ends in it. */
  #read(marker: number): Buffer | undefined {
    if (isRestart(marker) || marker === 0x01 || marker === 0xd8 || marker === markers.end) return undefined;
    const { bytes, position } = this;
    const end = position + (position + 2 <= bytes.length ? bytes.readUInt16BE(position) : Infinity);
    if (end > bytes.length) {
      this.position = bytes.length;
      return undefined;
    }
    this.position = end;
    const segment = bytes.subarray(position + 2, end);
    if (isFrame(marker)) this.#readFrame(marker, segment);
    if (marker === markers.restartInterval && segment.length >= 2) this.interval = segment.readUInt16BE(0);
    return segment;
  }

  #readFrame(marker: number, segment: Buffer): void {
    if (segment.length < 6 || segment.length < 6 + 3 * segment[5]!) return;
    const components = Array.from({ length: segment[5]! }, (_, i): Component => {
      const [id, sampling] = [segment[6 + 3 * i]!, segment[7 + 3 * i]!];
      const isFinal = new Array<boolean>(64).fill(false);
      return { id, horizontal: sampling >> 4, vertical: sampling & 15, isFinal };
    });
    const [height, width] = [segment.readUInt16BE(1), segment.readUInt16BE(3)];
    this.#frame = { width, height, isProgressive: isProgressive(marker), components };
  }

  #readScan(segment: Buffer): void {
    const frame = this.#frame;
    const count = segment[0] ?? 0;
    if (!frame || segment.length < 1 + 2 * count + 3) return;
    const ids = Array.from({ length: count }, (_, i) => segment[1 + 2 * i]!);
    const components = frame.components.filter(({ id }) => ids.includes(id));
    const [first, last, bits] = segment.subarray(1 + 2 * count);
    for (const { isFinal } of components)
      if (!frame.isProgressive) isFinal.fill(true);
      else if ((bits! & 15) === 0) isFinal.fill(true, first!, last! + 1);
    const restarts = this.#countRestarts();
    // A height of 0 is told after the first scan.
    if (this.interval === 0 || frame.height === 0) return;
    this.expected += Math.ceil(unitsOf(frame, components) / this.interval) - 1;
    this.found += restarts;
  }

  /** Restart markers up to the next marker of another kind, where the position is then. */
  #countRestarts(): number {
    for (let count = 0; ; count++) {
      const marker = this.#next();
      if (marker !== undefined && isRestart(marker)) continue;
      if (marker !== undefined) this.position -= 2;
      return count;
    }
  }
}

/** Number of units of a scan: of one component its blocks, else groups of blocks of all (A.2). */
function unitsOf({ width, height, components }: Frame, scanned: readonly Component[]): number {
  const most = (of: 'horizontal' | 'vertical') => Math.max(...components.map((each) => each[of]));
  const [horizontal, vertical] = [most('horizontal'), most('vertical')];
  const [only] = scanned;
  if (scanned.length !== 1 || !only)
    return Math.ceil(width / (8 * horizontal)) * Math.ceil(height / (8 * vertical));
  const side = (pixels: number, own: number, all: number) => Math.ceil(Math.ceil((pixels * own) / all) / 8);
  return side(width, only.horizontal, horizontal) * side(height, only.vertical, vertical);
}
