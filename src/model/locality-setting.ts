/** `localityLbSetting`: which places of endpoints callers prefer. */
import { list, mapOf } from './decode/collection.ts';
import type { Decoder, Path, Report } from './decode/decoder.ts';
import { defaulted, object, optional } from './decode/object.ts';
import { boolean, integer, text } from './decode/scalar.ts';

/** `us-east`, `us-east/a`, `us-east/a/*`, `*`: places as `REGION/ZONE/SUBZONE`, the end of which may be left open. */
export type LocalityPattern = string;

export interface Distribution {
  readonly from: LocalityPattern;
  /** Percent of the requests, 100 in all. */
  readonly to: Readonly<Record<LocalityPattern, number>>;
}

export interface RegionFailover {
  readonly from: string;
  readonly to: string;
}

export interface LocalitySetting {
  /** Absent: true. */
  readonly enabled?: boolean;
  readonly distribute: readonly Distribution[];
  readonly failover: readonly RegionFailover[];
  /** Labels, the most important first; `LABEL=VALUE` asks for the value, in place of that of the caller. */
  readonly failoverPriority: readonly string[];
}

const MAX_COUNT = 2 ** 32 - 1;

const distribution: Decoder<Distribution> = object({
  from: defaulted(text, '', 'Of the caller: `REGION/ZONE/SUBZONE`, with `*` for all from there on.'),
  to: defaulted(mapOf(integer(0, MAX_COUNT)), {}, 'Percent of its requests by place; 100 in all.'),
});

const regionFailover: Decoder<RegionFailover> = object({
  from: defaulted(text, '', 'The region of the caller.'),
  to: defaulted(text, '', 'The region that is next when its own has no healthy endpoints.'),
});

export const localitySetting: Decoder<LocalitySetting> = object(
  {
    distribute: defaulted(list(distribution), [], 'Shares of the requests of each place.'),

    enabled: optional(boolean, 'Places do not count where it is false.'),
    failover: defaulted(
      list(regionFailover),
      [],
      'Which region is next. Needs `outlierDetection` or checks.',
    ),
    failoverPriority: defaulted(
      list(text),
      [],
      'Labels by which endpoints are preferred: the more of them, in order, an endpoint has in common with its caller, the better. `LABEL=VALUE` asks for that value. Needs `outlierDetection` or checks.',
    ),
  },
  (setting, path, report) => {
    const { distribute, failover, failoverPriority } = setting;
    for (const [name, others] of [
      ['failover', failover],
      ['failoverPriority', failoverPriority],
    ] as const)
      if (distribute.length > 0 && others.length > 0)
        report.error([...path, name], 'stands beside distribute: only one of the two may be set');
    for (const [index, { to }] of distribute.entries()) {
      const at = [...path, 'distribute', index, 'to'];
      const weights = Object.entries(to);
      for (const [place, weight] of weights)
        if (weight < 1 || weight > 100) report.error([...at, place], `must be from 1 to 100, not ${weight}`);
      const total = weights.reduce((sum, [, weight]) => sum + weight, 0);
      if (total !== 100) report.error(at, `all weights together must be 100, not ${total}`);
      checkPlaces(Object.keys(to), (place) => [...at, place], report);
    }
    const origins = distribute.map(({ from }) => from);
    checkPlaces(origins, (_, index) => [...path, 'distribute', index, 'from'], report);
    checkFailover(setting, path, report);
  },
);

const topologyLabels: ReadonlySet<string> = new Set([
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
  'topology.istio.io/subzone',
]);

function checkFailover({ failover, failoverPriority }: LocalitySetting, path: Path, report: Report): void {
  for (const [index, { from, to }] of failover.entries()) {
    const at = [...path, 'failover', index];
    if (from === to) report.error(at, 'must name two different regions');
    for (const [name, region] of Object.entries({ from, to })) {
      if (region === '') report.error([...at, name], 'must name a region');
      else if (/[*/]/.test(region))
        report.error([...at, name], `${JSON.stringify(region)} is not a region: zones and * are not meant`);
    }
  }
  const seen = new Set<string>();
  for (const [index, written] of failoverPriority.entries()) {
    const at = [...path, 'failoverPriority', index];
    const [label = '', ...values] = written.split('=');
    if (!labelName.test(label) || values.length > 1)
      report.error(at, `${JSON.stringify(written)} is neither LABEL nor LABEL=VALUE`);
    else if (seen.has(label)) report.error(at, `the label "${label}" is there twice`);
    if (failover.length > 0 && topologyLabels.has(label))
      report.error(at, `"${label}" says the same as failover: only one of the two may be set`);
    seen.add(label);
  }
}

const labelName = /^(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/;

function checkPlaces(
  places: readonly string[],
  at: (place: string, index: number) => Path,
  report: Report,
): void {
  for (const [index, place] of places.entries()) {
    const parts = place.split('/');
    const isOpen = parts.indexOf('*');
    if (parts.length > 3 || parts.includes('') || (isOpen >= 0 && isOpen < parts.length - 1)) {
      const message = `${JSON.stringify(place)} is not REGION, REGION/ZONE or REGION/ZONE/SUBZONE, with * at the end at most`;
      report.error(at(place, index), message);
      continue;
    }
    const other = places.find((one, before) => before < index && (covers(one, place) || covers(place, one)));
    if (other !== undefined) report.error(at(place, index), `overlaps with "${other}"`);
  }
}

/** Whether the pattern stands for the place, and all that is in it. */
export function covers(pattern: LocalityPattern, place: string): boolean {
  const parts = pattern.split('/').filter((part) => part !== '*');
  const own = place.split('/');
  return parts.every((part, index) => part === (own[index] ?? ''));
}
