/** Values that no two runs share, told by what they are. */
import { createHash } from 'node:crypto';
import { networkInterfaces } from 'node:os';

const values: Readonly<Record<string, string>> = {
  date: 'DATE',
  'x-envoy-upstream-service-time': 'TIME',
};
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const LONG = 1500;

/** Addresses of this machine: Envoy forwards one of them for a client on the loopback. */
const ownAddresses: readonly string[] = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .filter(({ internal }) => !internal)
  .map(({ address }) => address);

/** The value of a header, or what it stands for. */
export function steadyValue(name: string, value: string): string {
  const known = values[name.toLowerCase()];
  if (known !== undefined) return known;
  if (UUID.test(value)) return 'UUID';
  // What is left of a timeout of seconds: some of it may be gone at a second attempt.
  if (name.toLowerCase() === 'x-envoy-expected-rq-timeout-ms' && Number(value) > 1000)
    return String(Math.ceil(Number(value) / 1000) * 1000);
  if (name.toLowerCase() === 'x-forwarded-for')
    return value.replace(/[^, ]+$/, (last) => (ownAddresses.includes(last) ? '127.0.0.1' : last));
  return value;
}

/** Header lines in the order of their names, which says nothing; lines of one name stay in theirs. */
export function sortedByName(lines: readonly string[]): string[] {
  const name = (line: string): string => line.slice(0, line.indexOf(':', 1)).toLowerCase();
  return lines.toSorted((a, b) => (name(a) < name(b) ? -1 : Number(name(a) > name(b))));
}

/** @param headers lines such as `name: value`, as they came; what is after the colon is kept to the byte. */
export function steadyLines(headers: readonly string[]): string[] {
  return sortedByName(
    headers.map((line) => {
      const [, name, space, value] = /^(:?[^:]*):([ \t]*)(.*)$/s.exec(line) ?? [];
      return name === undefined ? line : `${name}:${space}${steadyValue(name, value!)}`;
    }),
  );
}

/** Text to be shown in one line: long ones by their length and hash. */
export function shown(text: string): string {
  if (text.length <= LONG) return JSON.stringify(text);
  const hash = createHash('sha1').update(text, 'latin1').digest('hex').slice(0, 12);
  return `${text.length} bytes, sha1 ${hash}`;
}
