/**
 * What an endpoint says of its load with an answer: `endpoint-load-metrics-bin`, or `endpoint-load-metrics` in one of
 * three forms (Open Request Cost Aggregation, gRFC A51 and A64; forms as Envoy reads them).
 */
import { create, fromBinary, fromJsonString } from '@bufbuild/protobuf';
import { headerOf } from '#http/header-list.ts';
import { type OrcaLoadReport, OrcaLoadReportSchema } from '#xds/gen/xds/data/orca/v3/orca_load_report_pb.js';

const BINARY_HEADER = 'endpoint-load-metrics-bin';
const HEADER = 'endpoint-load-metrics';

/** @param headers of a response, or its trailers. @returns undefined where it says nothing that can be read */
export function readLoadReport(headers: readonly string[]): OrcaLoadReport | undefined {
  try {
    const binary = headerOf(headers, BINARY_HEADER);
    if (binary !== undefined) return readBinary(binary);
    const text = headerOf(headers, HEADER);
    if (text === undefined) return undefined;
    const content = text.slice(text.indexOf(' ') + 1);
    if (text.startsWith('TEXT ')) return readText(content);
    if (text.startsWith('BIN ')) return readBinary(content);
    return text.startsWith('JSON ') ? fromJsonString(OrcaLoadReportSchema, content) : undefined;
  } catch {
    return undefined;
  }
}

function readBinary(base64: string): OrcaLoadReport | undefined {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.toString('base64').replace(/=+$/, '') !== base64.replace(/=+$/, '')) return undefined;
  return fromBinary(OrcaLoadReportSchema, bytes);
}

const plainMetrics = {
  application_utilization: 'applicationUtilization',
  cpu_utilization: 'cpuUtilization',
  mem_utilization: 'memUtilization',
  eps: 'eps',
  rps_fractional: 'rpsFractional',
} as const;
const metricGroups = { named_metrics: 'namedMetrics', utilization: 'utilization' } as const;

/** `cpu_utilization=0.3,named_metrics.queue=7`: one mistake spoils it all. */
function readText(text: string): OrcaLoadReport | undefined {
  const report = create(OrcaLoadReportSchema);
  const seen = new Set<string>();
  for (const part of text.split(',')) {
    if (part.trim() === '') continue;
    const [, metric = '', figure = ''] = /^([^=:]*)[=:](.*)$/.exec(part.trim()) ?? [];
    const value = figure.trim() === '' ? Number.NaN : Number(figure);
    if (!(value >= 0 && value < Number.POSITIVE_INFINITY) || seen.has(metric)) return undefined;
    seen.add(metric);
    if (!setMetric(report, metric, value)) return undefined;
  }
  return report;
}

function setMetric(report: OrcaLoadReport, metric: string, value: number): boolean {
  if (Object.hasOwn(plainMetrics, metric)) {
    report[plainMetrics[metric as keyof typeof plainMetrics]] = value;
    return true;
  }
  const dot = metric.indexOf('.');
  const group = metric.slice(0, dot);
  if (!Object.hasOwn(metricGroups, group) || dot === metric.length - 1) return false;
  report[metricGroups[group as keyof typeof metricGroups]][metric.slice(dot + 1)] = value;
  return true;
}

export interface UtilizationRules {
  /** What utilization is the highest of, such as `named_metrics.queue`. */
  readonly metrics: readonly string[];
  /** How much a rate of errors of 1 adds to it. */
  readonly errorPenalty: number;
}

const MAX_WEIGHT = 2 ** 32 - 1;

/**
 * Requests in a second for each utilization of 1: a whole number, at least 1.
 *
 * Source: gRFC A58.
 *
 * @returns undefined where the report does not say how many there are, or how busy the endpoint is.
 */
export function weightOfReport(report: OrcaLoadReport, rules: UtilizationRules): number | undefined {
  const { rpsFractional: rate, eps } = report;
  if (!(rate > 0)) return undefined;
  const utilization = utilizationOf(report, rules.metrics) + (rules.errorPenalty * eps) / rate;
  if (!(utilization > 0)) return undefined;
  return Math.max(1, Math.floor(Math.min(MAX_WEIGHT, rate / utilization)));
}

function utilizationOf(report: OrcaLoadReport, metrics: readonly string[]): number {
  let highest = 0;
  for (const metric of metrics) highest = Math.max(highest, metricOf(report, metric));
  if (highest > 0) return highest;
  return report.applicationUtilization > 0 ? report.applicationUtilization : report.cpuUtilization;
}

function metricOf(report: OrcaLoadReport, metric: string): number {
  if (Object.hasOwn(plainMetrics, metric)) return report[plainMetrics[metric as keyof typeof plainMetrics]];
  const dot = metric.indexOf('.');
  const group = metric.slice(0, dot);
  if (!Object.hasOwn(metricGroups, group)) return 0;
  return report[metricGroups[group as keyof typeof metricGroups]][metric.slice(dot + 1)] ?? 0;
}
