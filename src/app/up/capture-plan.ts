/** Which connections of a workload its sidecar gets, as Istio's annotations say (`traffic.sidecar.istio.io/…`). */
import { didYouMean } from '#core/did-you-mean.ts';
import { isIpRange } from '#core/ip-address.ts';
import type { CaptureRules, Selection } from '#host/network/capture-rules.ts';
import { isInterfaceName } from '#host/network/packet-rules.ts';
import type { Path } from '#model/decode/decoder.ts';
import type { Labels } from '#model/metadata.ts';
import type { ReportAt } from './variable-plan.ts';

export type CapturePlan = Omit<CaptureRules, 'dns' | 'hub'>;

const PREFIX = 'traffic.sidecar.istio.io/';
export const interceptionAnnotation = 'sidecar.istio.io/interceptionMode';
const known = [
  'includeInboundPorts',
  'excludeInboundPorts',
  'includeOutboundIPRanges',
  'excludeOutboundIPRanges',
  'includeOutboundPorts',
  'excludeOutboundPorts',
  'excludeInterfaces',
] as const;

/** @param path of the annotations */
export function planCapture(annotations: Labels, path: Path, report: ReportAt): CapturePlan {
  for (const name of Object.keys(annotations).filter((key) => key.startsWith(PREFIX))) {
    const short = name.slice(PREFIX.length);
    if ((known as readonly string[]).includes(short)) continue;
    const meant = didYouMean(
      name,
      known.map((one) => PREFIX + one),
    );
    report([...path, name], 'there is no such annotation, or it is not supported', meant);
  }
  const words = (name: (typeof known)[number]): readonly string[] | undefined =>
    annotations[PREFIX + name]?.split(',').flatMap((word) => (word.trim() === '' ? [] : [word.trim()]));
  const ports = (name: (typeof known)[number]): number[] =>
    (words(name) ?? []).flatMap((word) => {
      if (/^\d{1,5}$/.test(word) && Number(word) > 0 && Number(word) < 65_536) return [Number(word)];
      report([...path, PREFIX + name], `${JSON.stringify(word)} is no port`, 'such as "8080,9090"');
      return [];
    });
  const ranges = (name: (typeof known)[number]): string[] =>
    (words(name) ?? []).flatMap((word) => {
      if (isIpRange(word)) return [word];
      report(
        [...path, PREFIX + name],
        `${JSON.stringify(word)} is no range of addresses`,
        'such as "10.0.0.0/8"',
      );
      return [];
    });
  const interfaces = (): string[] =>
    (words('excludeInterfaces') ?? []).flatMap((word) => {
      // Rules take the last two of these for "and all that begin so".
      if (isInterfaceName(word) && !/[*+]$/.test(word)) return [word];
      report(
        [...path, `${PREFIX}excludeInterfaces`],
        `${JSON.stringify(word)} is no name of an interface`,
        'such as "eth1"',
      );
      return [];
    });
  /** Absent and `*` are everything. */
  const selected = <T>(name: (typeof known)[number], read: typeof ranges | typeof ports): Selection<T> =>
    ['*', undefined].includes(annotations[PREFIX + name]?.trim()) ? '*' : (read(name) as T[]);
  return {
    mode: modeOf(annotations, path, report),
    includeInboundPorts: selected<number>('includeInboundPorts', ports),
    excludeInboundPorts: ports('excludeInboundPorts'),
    includeOutbound: selected<string>('includeOutboundIPRanges', ranges),
    excludeOutbound: ranges('excludeOutboundIPRanges'),
    includeOutboundPorts: ports('includeOutboundPorts'),
    excludeOutboundPorts: ports('excludeOutboundPorts'),
    excludeInterfaces: interfaces(),
  };
}

function modeOf(annotations: Labels, path: Path, report: ReportAt): CapturePlan['mode'] {
  const mode = annotations[interceptionAnnotation] ?? 'REDIRECT';
  if (mode === 'REDIRECT' || mode === 'TPROXY') return mode;
  report(
    [...path, interceptionAnnotation],
    `${JSON.stringify(mode)} is ${mode === 'NONE' ? 'not supported yet' : 'no interception mode'}`,
    'REDIRECT or TPROXY',
  );
  return 'REDIRECT';
}

/** Without any annotation. */
export const captureEverything: CapturePlan = planCapture({}, [], () => {});
