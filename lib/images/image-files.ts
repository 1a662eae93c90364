/** Which files are images, by their names. */

const imagePattern = /\.(png|jpe?g|jpe|jfif|webp|tiff?|gif|avif|bmp)$/i;

export const isImageFile = (name: string): boolean => imagePattern.test(name);

/** For messages. */
export const imageFileKinds = 'png, jpg, webp, tiff, gif, avif, bmp';
