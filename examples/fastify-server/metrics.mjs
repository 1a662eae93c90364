/** What Prometheus reads from GET /metrics. */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/**
 * @param {() => Record<'uploading' | 'uploadBytes' | 'running' | 'waiting', number>} now what the server does at the moment
 */
export function openMetrics(now) {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const gauge = (name, help, member) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(now()[member]);
      },
    });
  gauge('segment_uploads', 'Requests whose upload is being read', 'uploading');
  gauge('segment_upload_bytes', 'Bytes of uploads in memory', 'uploadBytes');
  gauge('segment_in_flight', 'Images that are decoded or computed', 'running');
  gauge('segment_queue', 'Images that wait for a place', 'waiting');
  const buckets = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
  const seconds = new Histogram({
    name: 'segment_seconds',
    help: 'Seconds from the upload’s last byte to the answer, of images that were answered',
    buckets,
    registers,
  });
  const queueSeconds = new Histogram({
    name: 'segment_queue_seconds',
    help: 'Seconds that images waited for a place',
    buckets,
    registers,
  });
  const answers = new Counter({
    name: 'segment_answers_total',
    help: 'Answers of POST /segment by status',
    labelNames: ['status'],
    registers,
  });
  const rejected = new Counter({
    name: 'segment_rejected_total',
    help: 'Requests without a result by reason: the error’s code, CLIENT_LEFT, CONNECTIONS',
    labelNames: ['reason'],
    registers,
  });
  return { registry, seconds, queueSeconds, answers, rejected };
}
