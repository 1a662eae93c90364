/** Kinds of what the functions on files of images take. */
import { listOf, text } from '../arguments.js';

/** Paths of files or folders. */
export const paths = listOf(text, 'an array of paths');
