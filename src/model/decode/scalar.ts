/** Decoders of single values. */
import { didYouMean } from '#core/did-you-mean.ts';
import type { Repair } from '#core/problem.ts';
import { type Decoder, describeValue } from './decoder.ts';
import { described, refined } from './schema.ts';

export const text: Decoder<string> = described({ type: 'string' }, (value, path, report) => {
  if (typeof value === 'string') return value;
  const quotable = typeof value === 'number' || typeof value === 'boolean';
  const fix = quotable ? `write it in quotes: ${JSON.stringify(String(value))}` : undefined;
  return report.error(
    path,
    `a text is expected, not ${describeValue(value)}`,
    fix,
    quotable ? { asText: true } : undefined,
  );
});

export const nonEmptyText: Decoder<string> = refined(
  text,
  (decoded, path, report) => (decoded === '' ? report.error(path, 'must not be empty') : decoded),
  { minLength: 1 },
);

export const boolean: Decoder<boolean> = described({ type: 'boolean' }, (value, path, report) =>
  typeof value === 'boolean'
    ? value
    : report.error(
        path,
        `true or false is expected, not ${describeValue(value)}`,
        ...unquoted(value, value === 'true' || value === 'false'),
      ),
);

/** A whole number from `min` to `max`, both included. */
export function integer(min: number, max: number): Decoder<number> {
  return described({ type: 'integer', minimum: min, maximum: max }, (value, path, report) => {
    if (typeof value !== 'number' || !Number.isInteger(value)) {
      const isNumber = typeof value === 'string' && /^(?:0|[1-9]\d{0,14})$/.test(value);
      const isGood = isNumber && Number(value) >= min && Number(value) <= max;
      return report.error(
        path,
        `a whole number is expected, not ${describeValue(value)}`,
        ...unquoted(value, isGood),
      );
    }
    if (value < min || value > max) return report.error(path, `must be from ${min} to ${max}, not ${value}`);
    return value;
  });
}

/** Any number from `min` to `max`, both included. */
export function number(min: number, max: number): Decoder<number> {
  return described({ type: 'number', minimum: min, maximum: max }, (value, path, report) => {
    if (typeof value === 'number' && value >= min && value <= max) return value;
    return report.error(path, `a number from ${min} to ${max} is needed, not ${describeValue(value)}`);
  });
}

export const portNumber: Decoder<number> = integer(1, 65535);

/** One of a closed set of words. */
export function oneOf<const Words extends readonly string[]>(words: Words): Decoder<Words[number]> {
  return described({ type: 'string', words }, (value, path, report) => {
    if (words.includes(value as string)) return value as Words[number];
    const expected = words.join(', ');
    const fix = typeof value === 'string' ? didYouMean(value, words) : undefined;
    const same = words.filter((word) => plainForm(word) === plainForm(value));
    const repair = same.length === 1 ? { value: same[0]! } : undefined;
    return report.error(path, `one of ${expected} is expected, not ${describeValue(value)}`, fix, repair);
  });
}

/** For what is meant without the quotes around it. */
function unquoted(value: unknown, isGood: boolean): [fix?: string, repair?: Repair] {
  return isGood ? [`write it without quotes: ${String(value)}`, { value: String(value) }] : [];
}

/** The same for words that differ in case, `-` and `_` alone. */
function plainForm(word: unknown): string {
  return String(word).toLowerCase().replaceAll(/[-_]/g, '');
}

const durationUnitsMs: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  ns: 1e-6,
};

/** Milliseconds of a duration in Go's notation, such as `1m30s` or `0.25s`; undefined if it is none. */
export function parseDurationMs(written: string): number | undefined {
  if (written === '0') return 0;
  if (!/^(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:h|ms|m|s|us|µs|ns))+$/.test(written)) return undefined;
  let ms = 0;
  for (const [, amount, unit] of written.matchAll(/([0-9.]+)(h|ms|m|s|us|µs|ns)/g)) {
    ms += Number(amount) * durationUnitsMs[unit!]!;
  }
  return ms;
}

const duration = { type: 'string', format: 'duration' } as const;

/** A duration of at least a millisecond, in milliseconds. */
export const durationMs: Decoder<number> = described(duration, (value, path, report) => {
  const ms = typeof value === 'string' ? parseDurationMs(value) : undefined;
  if (ms === undefined) {
    return report.error(path, `a duration is expected, such as "1.5s", not ${describeValue(value)}`);
  }
  return ms >= 1 ? ms : report.error(path, 'must be at least 1ms', 'leave the field out to switch it off');
});

/** The same, or `0s`. */
export const durationMsOrZero: Decoder<number> = described(duration, (value, path, report) =>
  typeof value === 'string' && parseDurationMs(value) === 0 ? 0 : durationMs(value, path, report),
);

/** A name in DNS form: letters, digits, `-`; `dots` if it may have several parts. */
export function dnsName(dots: 'dots' | 'no dots'): Decoder<string> {
  const label = '[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?';
  const pattern = new RegExp(dots === 'dots' ? `^${label}(?:\\.${label})*$` : `^${label}$`);
  return refined(nonEmptyText, (decoded, path, report) => {
    if (decoded.length <= 253 && pattern.test(decoded)) return decoded;
    return report.error(path, `${JSON.stringify(decoded)} is not a name (small letters, digits, "-")`);
  });
}
