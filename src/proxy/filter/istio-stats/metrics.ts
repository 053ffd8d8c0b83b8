/** The families of Istio's standard metrics, and one row of each for one set of labels. */
import type { Counter, Histogram, MetricRegistry } from '#observe/metrics-contract.ts';
import { commonLabels, commonValues, type Ends, httpLabels } from './labels.ts';

/** Istio's buckets, for milliseconds and bytes alike. */
const bucketBounds: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
];

export interface RequestRow {
  readonly total: Counter;
  /** Milliseconds. */
  readonly duration: Histogram;
  readonly requestBytes: Histogram;
  readonly responseBytes: Histogram;
}

export interface RequestMetrics {
  row(ends: Ends, responseCode: string, grpcStatus: string): RequestRow;
}

export function requestMetrics(metrics: MetricRegistry): RequestMetrics {
  const histogram = (name: string, help: string) =>
    metrics.histogramFamily(name, help, httpLabels, bucketBounds);
  const total = metrics.counterFamily('istio_requests_total', 'Requests.', httpLabels);
  const duration = histogram('istio_request_duration_milliseconds', 'Duration of requests in milliseconds.');
  const requestBytes = histogram('istio_request_bytes', 'Body sizes of requests in bytes.');
  const responseBytes = histogram('istio_response_bytes', 'Body sizes of responses in bytes.');
  return {
    row(ends, responseCode, grpcStatus): RequestRow {
      const values = [...commonValues(ends), responseCode, grpcStatus];
      return {
        total: total.with(values),
        duration: duration.with(values),
        requestBytes: requestBytes.with(values),
        responseBytes: responseBytes.with(values),
      };
    },
  };
}

export interface ConnectionRow {
  readonly opened: Counter;
  readonly closed: Counter;
  /** To the client. */
  readonly sent: Counter;
  readonly received: Counter;
}

export interface ConnectionMetrics {
  row(ends: Ends): ConnectionRow;
}

export function connectionMetrics(metrics: MetricRegistry): ConnectionMetrics {
  const counter = (name: string, help: string) => metrics.counterFamily(name, help, commonLabels);
  const opened = counter('istio_tcp_connections_opened_total', 'Connections opened.');
  const closed = counter('istio_tcp_connections_closed_total', 'Connections closed.');
  const sent = counter('istio_tcp_sent_bytes_total', 'Bytes sent in responses of connections.');
  const received = counter('istio_tcp_received_bytes_total', 'Bytes received in requests of connections.');
  return {
    row(ends): ConnectionRow {
      const values = commonValues(ends);
      return {
        opened: opened.with(values),
        closed: closed.with(values),
        sent: sent.with(values),
        received: received.with(values),
      };
    },
  };
}
