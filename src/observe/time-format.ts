/** Times of an access log: `%START_TIME(format)%` with strftime's and Envoy's conversions, in UTC. */
import type { Parsed, Problem } from '#core/problem.ts';

/** @param timeMs since 1970, with a fraction. */
export type TimeFormat = (timeMs: number) => string;

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

const two = (n: number): string => (n < 10 ? `0${n}` : String(n));
const spaced = (n: number): string => (n < 10 ? ` ${n}` : String(n));
const hour12 = (date: Date): number => date.getUTCHours() % 12 || 12;
const dayOfYear = (date: Date): number =>
  Math.floor(
    (Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()) -
      Date.UTC(date.getUTCFullYear(), 0, 1)) /
      86_400_000,
  ) + 1;

const conversions: Readonly<Record<string, (date: Date) => string>> = {
  Y: (d) => String(d.getUTCFullYear()),
  y: (d) => two(d.getUTCFullYear() % 100),
  m: (d) => two(d.getUTCMonth() + 1),
  d: (d) => two(d.getUTCDate()),
  e: (d) => spaced(d.getUTCDate()),
  j: (d) => String(dayOfYear(d)).padStart(3, '0'),
  H: (d) => two(d.getUTCHours()),
  I: (d) => two(hour12(d)),
  M: (d) => two(d.getUTCMinutes()),
  S: (d) => two(d.getUTCSeconds()),
  p: (d) => (d.getUTCHours() < 12 ? 'AM' : 'PM'),
  a: (d) => DAYS[d.getUTCDay()]!.slice(0, 3),
  A: (d) => DAYS[d.getUTCDay()]!,
  b: (d) => MONTHS[d.getUTCMonth()]!.slice(0, 3),
  h: (d) => MONTHS[d.getUTCMonth()]!.slice(0, 3),
  B: (d) => MONTHS[d.getUTCMonth()]!,
  s: (d) => String(Math.floor(d.getTime() / 1000)),
  F: (d) => d.toISOString().slice(0, 10),
  D: (d) => `${two(d.getUTCMonth() + 1)}/${two(d.getUTCDate())}/${two(d.getUTCFullYear() % 100)}`,
  T: (d) => d.toISOString().slice(11, 19),
  R: (d) => d.toISOString().slice(11, 16),
  z: () => '+0000',
  Z: () => 'UTC',
  u: (d) => String(d.getUTCDay() || 7),
  w: (d) => String(d.getUTCDay()),
  n: () => '\n',
  t: () => '\t',
  '%': () => '%',
};

/** `2026-01-31T23:59:59.123Z`: what `%START_TIME%` gives without a format. */
export const isoTime: TimeFormat = cachedBySecond(
  (date) => date.toISOString().slice(0, 20),
  (timeMs) => `${String(Math.floor(timeMs % 1000)).padStart(3, '0')}Z`,
);

/** @param format such as `%Y/%m/%dT%H:%M:%S.%3f`. */
export function compileTimeFormat(format: string): Parsed<TimeFormat> {
  const problems: Problem[] = [];
  const parts: TimeFormat[] = [];
  for (const [, literal, digits, conversion] of format.matchAll(/([^%]+)|%([1-9]?)(.|$)/gs)) {
    if (literal !== undefined) parts.push(() => literal);
    else if (conversion === 'f') parts.push(fractionOf(digits === '' ? 9 : Number(digits)));
    else {
      const convert = digits === '' ? conversions[conversion ?? ''] : undefined;
      if (convert === undefined) {
        problems.push({
          level: 'error',
          message: `time format "${format}" has "%${digits}${conversion}", which is not supported`,
        });
      } else parts.push((timeMs) => convert(new Date(timeMs)));
    }
  }
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, value: (timeMs) => parts.map((part) => part(timeMs)).join(''), problems };
}

function fractionOf(digits: number): TimeFormat {
  return (timeMs) => {
    const nanoseconds = Math.floor((timeMs % 1000) * 1e6);
    return String(nanoseconds).padStart(9, '0').slice(0, digits);
  };
}

/** Most lines of a log share their second. */
function cachedBySecond(ofSecond: (date: Date) => string, ofMillisecond: TimeFormat): TimeFormat {
  let second = Number.NaN;
  let text = '';
  return (timeMs) => {
    const nowSecond = Math.floor(timeMs / 1000);
    if (nowSecond !== second) {
      second = nowSecond;
      text = ofSecond(new Date(nowSecond * 1000));
    }
    return text + ofMillisecond(timeMs);
  };
}
