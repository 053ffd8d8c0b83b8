/** Curves by their numbers (IANA, TLS Supported Groups), and which one a handshake takes. */
import type { HelloFacts } from './hello.ts';

const numbersByName: Readonly<Record<string, number>> = {
  'P-256': 23,
  prime256v1: 23,
  'P-384': 24,
  'P-521': 25,
  X25519: 29,
  MLKEM1024: 514,
  X25519MLKEM768: 4588,
};

const names: ReadonlyMap<number, string> = new Map(
  Object.entries(numbersByName)
    .filter(([name]) => name !== 'prime256v1')
    .map(([name, number]) => [number, name]),
);

/** Of a context: `X25519:P-256` as numbers. */
export function curveNumbers(curves: string): readonly number[] {
  return curves.split(':').flatMap((name) => numbersByName[name] ?? []);
}

/** The name in statistics of what OpenSSL calls `prime256v1`, `P-256` or 23; '' where it has none. */
export function curveName(curve: string | number): string {
  return names.get(typeof curve === 'number' ? curve : (numbersByName[curve] ?? 0)) ?? '';
}

/**
 * The curve a server with these takes, the ones it likes best first: Node does not tell. '' where it is
 * not known.
 */
export function agreedCurve(ours: readonly number[], hello: HelloFacts): string {
  const offered = (list: readonly number[]): number | undefined => ours.find((curve) => list.includes(curve));
  const shared = hello.speaksTls13
    ? (offered(hello.keyShares) ?? offered(hello.groups))
    : offered(hello.groups);
  return shared === undefined ? '' : curveName(shared);
}
