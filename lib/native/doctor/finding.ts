/** Result of one check of the doctor. */
export interface Finding {
  /** What was checked: `libtorch`, `device cuda:0`, … */
  name: string;
  /** `fault`: does not work until it is fixed; `note`: worth knowing. */
  status: 'ok' | 'note' | 'fault';
  /** What was found, as one or more lines of text. */
  detail: string;
  /** What to do about it. */
  advice?: string;
}

const gibibyte = 1024 ** 3;

/** `1.5 GiB` */
export const gib = (bytes: number) => `${(bytes / gibibyte).toFixed(1)} GiB`;
