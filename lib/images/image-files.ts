/** Which files are images, by their names. */

const imagePattern = /\.(png|jpe?g|webp|tiff?|gif|avif)$/i;

export const isImageFile = (name: string): boolean => imagePattern.test(name);

/** For messages. */
export const imageFileKinds = 'png, jpg, webp, tiff, gif, avif';
