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

/** Beginnings of files. Bytes are written in Latin-1. */
const beginnings: readonly (readonly [RegExp, ImageKind])[] = [
  [/^\xff\xd8\xff/, jpeg],
  [/^\x89PNG\r\n\x1a\n/, readable('PNG')],
  [/^RIFF[^]{4}WEBP/, readable('WebP')],
  [/^(II[*+]\0|MM\0[*+])/, readable('TIFF')],
  [/^GIF8[79]a/, readable('GIF')],
  // The file's header is 14 bytes, the picture's 12, 40, 52, 56, 64, 108 or 124.
  [/^BM[^]{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0/, bmp],
  [/^[^]{4}ftyp(heic|heix|heim|heis|hevc|hevx)/, heic],
  [/^[^]{4}ftyp(avif|avis)/, readable('AVIF')],
  // Brands of the container alone: the others follow in the same box.
  [/^[^]{4}ftyp(mif1|msf1)[^]{0,64}?hei[cxms]/, heic],
  [/^[^]{4}ftyp(mif1|msf1)/, readable('AVIF')],
  [/^%PDF-/, other('a PDF document', 'Extract its pictures first.')],
  [/^\x1f\x8b/, other('compressed by gzip')],
  [/^8BPS/, other('a Photoshop document')],
  [/^(\0\0\0\x0cJXL |\xff\x0a)/, other('JPEG XL')],
  [/^(\0\0\0\x0cjP {2}|\xff\x4f\xff\x51)/, other('JPEG 2000')],
];

/** The kind of a file by its first bytes, up to {@link kindBytes}; undefined for what is no picture that is known here. */
export function imageKindOf(bytes: Uint8Array): ImageKind | undefined {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, kindBytes));
  const text = start.toString('latin1');
  const [, kind] = beginnings.find(([beginning]) => beginning.test(text)) ?? [];
  return kind ?? (isSvg(start, text) ? svg : undefined);
}

/** The codec would draw it, with fonts that the machine may lack, instead of decoding. */
const svg = other('an SVG drawing');

/** The codec's own rule. */
function isSvg(start: Buffer, text: string): boolean {
  return start.subarray(0, 24).every((byte) => byte >= 9 && byte < 0x80) && /<svg/i.test(text);
}
