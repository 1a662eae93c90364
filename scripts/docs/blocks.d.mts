export interface Block {
  page: string;
  /** Of its opening fence, from 1. */
  line: number;
  /** Empty where none is given. */
  language: string;
  /** The lines between the fences, each with its end. */
  text: string;
  /** Why it is not run. */
  notRun?: string;
  /** The file that it stands for. */
  file?: string;
}

export function blocksOf(text: string, page: string): Block[];
