/**
 * TensorBoard's events as protocol buffers. Field numbers are those of event.proto, summary.proto, tensor.proto
 * and tensor_shape.proto in tensorboard/compat/proto.
 */
import { bytes, double, float, integer, message } from './protobuf.js';

/** A value under a tag. */
export type SummaryValue =
  /** A point of a curve; kept as float32. */
  | { tag: string; scalar: number }
  /** An encoded PNG of H×W RGB pixels. */
  | { tag: string; png: Uint8Array; width: number; height: number }
  /** Markdown. */
  | { tag: string; text: string };

/** Members of all events. */
export interface EventTime {
  /** Value on the x axis, an integer from 0. */
  step: number;
  /** Seconds since 1970. */
  wallTime: number;
}

const stringType = 7;
const rgb = 3;
const sessionStart = 1;
const tensorData = 2;

function encodeValue(value: SummaryValue): Buffer {
  const tag = bytes(1, value.tag);
  if ('scalar' in value) return message(1, tag, float(2, value.scalar));
  if ('png' in value) {
    const { width, height, png } = value;
    return message(1, tag, message(4, integer(1, height), integer(2, width), integer(3, rgb), bytes(4, png)));
  }
  const metadata = message(9, message(1, bytes(1, 'text')), integer(4, tensorData));
  const shape = message(2, message(2, integer(1, 1)));
  return message(1, tag, metadata, message(8, integer(1, stringType), shape, bytes(8, value.text)));
}

function encodeEvent({ step, wallTime }: EventTime, what: Buffer): Buffer {
  return Buffer.concat([double(1, wallTime), integer(2, step), what]);
}

/** The first event of a file. */
export function versionEvent(time: EventTime): Buffer {
  return encodeEvent(time, bytes(3, 'brain.Event:2'));
}

/** Marks a start: TensorBoard no longer shows points of earlier files in the folder from this step on. */
export function startEvent(time: EventTime): Buffer {
  return encodeEvent(time, message(7, integer(1, sessionStart)));
}

/** Values of one step. */
export function summaryEvent(time: EventTime, values: readonly SummaryValue[]): Buffer {
  return encodeEvent(time, message(5, ...values.map(encodeValue)));
}
