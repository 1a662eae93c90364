/** What kind of picture a file holds, by its first bytes. */

/** A kind of picture. */
export interface ImageKind {
  /** For messages. */
  readonly name: string;
  /** Whether it is decoded as a photograph. HEIC: depends on the codec library. */
  readonly readable: boolean;
  /** What to do with a kind that is not readable, as a sentence. */
  readonly advice?: string;
}

/** Number of bytes that {@link imageKindOf} looks at. */
export const kindBytes = 1024;

const readable = (name: string): ImageKind => ({ name, readable: true });

export const bmp = readable('BMP');
export const jpeg = readable('JPEG');
export const heic: ImageKind = {
  name: 'HEIC',
  readable: false,
  advice:
    'Convert it first: heif-convert photo.heic photo.jpg (package libheif-examples), or on macOS sips -s format jpeg photo.heic ' +
    '--out photo.jpg.',
};

const convert = 'Convert it to a PNG, JPEG, WebP or TIFF image first.';
const other = (name: string, advice = convert): ImageKind => ({ name, readable: false, advice });

/** Beginnings of files, in Latin-1; a dot in place of bytes of any value. */
const beginnings: readonly (readonly [beginning: string, ImageKind])[] = [
  ['\xff\xd8\xff', jpeg],
  ['\x89PNG\r\n\x1a\n', readable('PNG')],
  ['RIFF....WEBP', readable('WebP')],
  ...['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].map((each) => [each, readable('TIFF')] as const),
  ...['GIF87a', 'GIF89a'].map((each) => [each, readable('GIF')] as const),
  // After the file's header comes the picture's, of 12, 40, 52, 56, 64, 108 or 124 bytes.
  ...[...'\x0c\x28\x34\x38\x40\x6c\x7c'].map((size) => [`BM............${size}\0\0\0`, bmp] as const),
  ['%PDF-', other('a PDF document', 'Extract its pictures first.')],
  ['\x1f\x8b', other('compressed by gzip')],
  ['8BPS', other('a Photoshop document')],
  ...['\0\0\0\x0cJXL ', '\xff\x0a'].map((each) => [each, other('JPEG XL')] as const),
  ...['\0\0\0\x0cjP  ', '\xff\x4f\xff\x51'].map((each) => [each, other('JPEG 2000')] as const),
];

const begins = (text: string, beginning: string): boolean =>
  text.length >= beginning.length && [...beginning].every((byte, i) => byte === '.' || byte === text[i]);

/** The kind of a file in HEIF's container, by its brands; undefined for other files. */
function kindOfHeif(text: string): ImageKind | undefined {
  if (text.slice(4, 8) !== 'ftyp') return undefined;
  const size = text.charCodeAt(2) * 256 + text.charCodeAt(3);
  const brands = text.slice(8, Math.max(12, size)).match(/[^]{4}/g) ?? [];
  if (brands.some((brand) => /^he[iv][cxms]$/.test(brand))) return heic;
  return brands.some((brand) => ['avif', 'avis', 'mif1', 'msf1'].includes(brand)) ? avif : undefined;
}

const avif = readable('AVIF');

/** The kind of a file by its first bytes, up to {@link kindBytes}; undefined for what is no picture that is known here. */
export function imageKindOf(bytes: Uint8Array): ImageKind | undefined {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, kindBytes));
  const text = start.toString('latin1');
  const [, kind] = beginnings.find(([beginning]) => begins(text, beginning)) ?? [];
  return kind ?? kindOfHeif(text) ?? (isSvg(start, text) ? svg : undefined);
}

/** The codec would draw it, with fonts that the machine may lack, instead of decoding. */
const svg = other('an SVG drawing');

/** The codec's own rule. */
function isSvg(start: Buffer, text: string): boolean {
  return start.subarray(0, 24).every((byte) => byte >= 9 && byte < 0x80) && /<svg/i.test(text);
}
