/** What kind of picture a file holds, by its first bytes. */

/** A kind of picture. */
export interface ImageKind {
  /** For messages. */
  readonly name: string;
  /** Whether it is decoded as a photograph. HEIC: depends on the codec library. */
  readonly readable: boolean;
  /** What to do with a kind that is not readable, as a sentence. */
  readonly advice?: string;
  /** What the codec library calls the format; undefined for kinds that it does not decode. */
  readonly codec?: string;
}

/** Number of bytes that {@link imageKindOf} looks at. */
export const kindBytes = 1024;

/** The kinds that are decoded, for messages. */
export const readableKinds = 'PNG, JPEG, WebP, TIFF, GIF, AVIF or BMP';

const readable = (name: string, codec?: string): ImageKind => ({
  name,
  readable: true,
  ...(codec !== undefined && { codec }),
});

export const bmp = readable('BMP');
export const jpeg = readable('JPEG', 'jpeg');
export const heic: ImageKind = {
  name: 'HEIC',
  readable: false,
  codec: 'heif',
  advice:
    'Convert it first: heif-convert photo.heic photo.jpg (package libheif-examples), or on macOS sips -s format jpeg photo.heic ' +
    '--out photo.jpg.',
};
const avif = readable('AVIF', 'heif');

const convert = 'Convert it to a PNG, JPEG, WebP or TIFF image first.';
const other = (name: string, advice = convert): ImageKind => ({ name, readable: false, advice });

/** The codec would draw it, with fonts that the machine may lack, at any size and for any time, instead of decoding. */
export const svg = other('an SVG drawing');
const gzip = other('compressed by gzip');
const pdf = other('a PDF document', 'Extract its pictures first.');
const page = other(
  'an XML or HTML document',
  'Check where it came from: a server may have sent a page instead of the picture.',
);
const video = other('a video', 'Extract its frames first.');
const raw = other('a raw file of a camera', 'Develop it to a JPEG or TIFF image first.');

/** Beginnings of files, in Latin-1; a dot in place of bytes of any value. The first that fits decides. */
const beginnings: readonly (readonly [beginning: string, ImageKind])[] = [
  ['\xff\xd8\xff', jpeg],
  ['\x89PNG\r\n\x1a\n', readable('PNG', 'png')],
  ['RIFF....WEBP', readable('WebP', 'webp')],
  // TIFF by its beginning.
  ...['II*\0....CR', 'IIRO', 'IIRS', 'IIU\0', 'FUJIFILMCCD-RAW'].map((each) => [each, raw] as const),
  ...['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].map((each) => [each, readable('TIFF', 'tiff')] as const),
  ...['GIF87a', 'GIF89a'].map((each) => [each, readable('GIF', 'gif')] as const),
  // After the file's header comes the picture's, of 12, 40, 52, 56, 64, 108 or 124 bytes.
  ...[...'\x0c\x28\x34\x38\x40\x6c\x7c'].map((size) => [`BM............${size}\0\0\0`, bmp] as const),
  ['%PDF-', pdf],
  ['%!PS', other('a PostScript document')],
  ['\x1f\x8b', gzip],
  ['PK\x03\x04', other('a ZIP archive', 'Unpack it first.')],
  ['8BPS', other('a Photoshop document')],
  ...['\0\0\0\x0cJXL ', '\xff\x0a'].map((each) => [each, other('JPEG XL')] as const),
  ...['\0\0\0\x0cjP  ', '\xff\x4f\xff\x51'].map((each) => [each, other('JPEG 2000')] as const),
  ['SIMPLE  =', other('FITS')],
  ['MATLAB 5.0', other('a Matlab file')],
  ...['\x08\xf2\xa6\xb6', '\xb6\xa6\xf2\x08'].map((each) => [each, other('a VIPS image')] as const),
  ...['\x5c\x01\0\0', '\0\0\x01\x5c'].map((each) => [each, other('an Analyze or NIfTI volume')] as const),
  ['v/1\x01', other('OpenEXR')],
  ['#?', other('Radiance HDR')],
  ...[...'1234567Ff'].flatMap((digit) =>
    ['\n', '\r', ' ', '\t'].map(
      (blank) => [`P${digit}${blank}`, other('a portable pixmap (PBM, PGM, PPM, PFM)')] as const,
    ),
  ),
  ['\0\0\x01\0', other('an icon (ICO)')],
  ['DDS ', other('DDS')],
  ['qoif', other('QOI')],
  ['\x1aE\xdf\xa3', video],
];

const begins = (text: string, beginning: string): boolean =>
  text.length >= beginning.length && [...beginning].every((byte, i) => byte === '.' || byte === text[i]);

/** The kind of a file in the container of HEIF and MP4, by its brands; undefined for other files. */
function kindOfContainer(text: string): ImageKind | undefined {
  if (text.slice(4, 8) !== 'ftyp') return undefined;
  const size = text.charCodeAt(2) * 256 + text.charCodeAt(3);
  const brands = text.slice(8, Math.max(12, size)).match(/[^]{4}/g) ?? [];
  if (brands.some((brand) => /^he[iv][cxms]$/.test(brand))) return heic;
  if (brands.some((brand) => ['avif', 'avis', 'mif1', 'msf1'].includes(brand))) return avif;
  if (brands.some((brand) => /^crx /.test(brand))) return raw;
  return brands.some((brand) => /^(iso|mp4|avc|M4V|qt {2}|3gp)/.test(brand)) ? video : undefined;
}

/**
 * The kind of a file by its first bytes, up to {@link kindBytes}; undefined for what is no picture that is known here. What is
 * decoded is decided by this alone, before the codec library sees a byte: it would read more formats, and draw some of them.
 */
export function imageKindOf(bytes: Uint8Array): ImageKind | undefined {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, kindBytes));
  const text = start.toString('latin1');
  const [, kind] = beginnings.find(([beginning]) => begins(text, beginning)) ?? [];
  return kind ?? kindOfContainer(text) ?? kindOfMarkup(text);
}

/** Kinds that begin with a tag, in any encoding of text. */
function kindOfMarkup(text: string): ImageKind | undefined {
  // Of UTF-16 and UTF-32 every letter of these has bytes of 0 beside it.
  const letters = text.replaceAll('\0', '').replace(/^(\xef\xbb\xbf|\xff\xfe|\xfe\xff)?\s*/, '');
  if (!letters.startsWith('<')) return undefined;
  if (/<([\w-]+:)?svg/i.test(letters)) return svg;
  return /^<(\?xml|!|html|head|body)/i.test(letters) ? page : undefined;
}
