/** Reports of load, and the weight that follows from each. */

/** A report of 1 request in a second less than a weight of 7777, which follows where the one before is not read. */
export const BASE = 'TEXT rps_fractional=7777,cpu_utilization=1';
export const text = (metrics: string): string => `endpoint-load-metrics: TEXT ${metrics}`;

export interface Reported {
  readonly name: string;
  readonly header: string;
  readonly weight: number;
  /** Absent: `load`. */
  readonly cluster?: 'load' | 'metrics' | 'strict';
}

export const binary = (cpu: number, rate: number): string => {
  const bytes = Buffer.alloc(18);
  bytes[0] = 0x09;
  bytes.writeDoubleLE(cpu, 1);
  bytes[9] = 0x31;
  bytes.writeDoubleLE(rate, 10);
  return bytes.toString('base64');
};
export const UNREAD = 7777;

export const reportedRows: readonly Reported[] = [
  { name: 'text', header: text('rps_fractional=1000,cpu_utilization=0.5'), weight: 2000 },
  { name: 'text with colons', header: text('rps_fractional:1001,cpu_utilization:0.5'), weight: 2002 },
  { name: 'text with spaces', header: text('rps_fractional= 1002, cpu_utilization= 0.5'), weight: 2004 },
  {
    name: 'text with a space before the sign',
    header: text('rps_fractional =1003,cpu_utilization=0.5'),
    weight: UNREAD,
  },
  { name: 'a negative value', header: text('rps_fractional=88,cpu_utilization=1,eps=-1'), weight: UNREAD },
  {
    name: 'json',
    header: 'endpoint-load-metrics: JSON {"rpsFractional":50,"cpuUtilization":0.5}',
    weight: 100,
  },
  {
    name: 'json with names of the proto',
    header: 'endpoint-load-metrics: JSON {"rps_fractional":60,"cpu_utilization":0.5}',
    weight: 120,
  },
  {
    name: 'json with a field that is unknown',
    header: 'endpoint-load-metrics: JSON {"rps_fractional":60,"cpu_utilization":0.5,"x":1}',
    weight: UNREAD,
  },
  { name: 'json that is none', header: 'endpoint-load-metrics: JSON {"rps', weight: UNREAD },
  {
    name: 'binary in the header of text',
    header: `endpoint-load-metrics: BIN ${binary(0.5, 35)}`,
    weight: 70,
  },
  { name: 'binary in its own header', header: `endpoint-load-metrics-bin: ${binary(0.5, 45)}`, weight: 90 },
  { name: 'binary that is none', header: 'endpoint-load-metrics-bin: !!!', weight: UNREAD },
  {
    name: 'no form is named',
    header: 'endpoint-load-metrics: rps_fractional=1000,cpu_utilization=0.5',
    weight: UNREAD,
  },
  {
    name: 'a metric that is unknown',
    header: text('rps_fractional=10,cpu_utilization=0.5,zzz=50'),
    weight: UNREAD,
  },
  {
    name: 'a metric twice',
    header: text('rps_fractional=20,cpu_utilization=0.5,cpu_utilization=0.5'),
    weight: UNREAD,
  },
  {
    name: 'a value that is no number',
    header: text('rps_fractional=20,cpu_utilization=nan'),
    weight: UNREAD,
  },
  { name: 'a value that is missing', header: text('rps_fractional=20,cpu_utilization='), weight: UNREAD },
  { name: 'a comma at the end', header: text('rps_fractional=92,cpu_utilization=1,'), weight: 92 },
  {
    name: 'application_utilization before the processor',
    header: text('rps_fractional=100,cpu_utilization=0.2,application_utilization=0.1'),
    weight: 1000,
  },
  {
    name: 'errors do not count by default',
    header: text('rps_fractional=100,cpu_utilization=0.5,eps=50'),
    weight: 200,
  },
  {
    name: 'errors count as much as is said',
    header: text('rps_fractional=100,cpu_utilization=0.5,eps=50'),
    weight: 40,
    cluster: 'strict',
  },
  { name: 'no requests', header: text('rps_fractional=0,cpu_utilization=0.5'), weight: UNREAD },
  { name: 'no load', header: text('rps_fractional=66'), weight: UNREAD },
  { name: 'a weight below 1', header: text('rps_fractional=1,cpu_utilization=2'), weight: 1 },
  { name: 'a weight above all', header: text('rps_fractional=1e30,cpu_utilization=1'), weight: 4294967295 },
  {
    name: 'a metric by its name',
    header: text('rps_fractional=100,cpu_utilization=1,named_metrics.foo=0.5'),
    weight: 200,
    cluster: 'metrics',
  },
  {
    name: 'the highest of several metrics',
    header: text('rps_fractional=100,cpu_utilization=1,utilization.x=0.8,named_metrics.foo=0.5'),
    weight: 125,
    cluster: 'metrics',
  },
  {
    name: 'named metrics before application_utilization',
    header: text('rps_fractional=100,mem_utilization=0.4,application_utilization=0.2'),
    weight: 250,
    cluster: 'metrics',
  },
  {
    name: 'another metric than those named',
    header: text('rps_fractional=102,cpu_utilization=1,named_metrics.zz=0.4'),
    weight: 102,
    cluster: 'metrics',
  },
  {
    name: 'a cost of the request',
    header: text('rps_fractional=103,cpu_utilization=1,request_cost.a=0.4'),
    weight: UNREAD,
    cluster: 'metrics',
  },
];
