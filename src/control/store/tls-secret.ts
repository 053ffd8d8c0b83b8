/** Certificates in Secrets, as gateways are given them: under the names of Kubernetes, and under Istio's older ones. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { bytesOf, type ConfigMap, type Secret } from '#model/config-map.ts';

/** PEM. */
export interface KeyPair {
  readonly chain: string;
  readonly key: string;
}

export interface Authorities {
  readonly roots: string;
  /** Revocation lists; empty: none. */
  readonly lists: string;
}

/** What a gateway is given, or the reason why it cannot be. */
export type Found<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: string };

const pairs = new WeakMap<Secret, Found<KeyPair>>();
const authorities = new WeakMap<Secret | ConfigMap, Found<Authorities>>();

export function keyPairOf(secret: Secret): Found<KeyPair> {
  return remembered(pairs, secret, () => readKeyPair(secret));
}

export function authoritiesOf(source: Secret | ConfigMap): Found<Authorities> {
  return remembered(authorities, source, () => readAuthorities(source));
}

/** Whether it has what gateways ask Secrets for. */
export function holdsCertificate(secret: Secret): boolean {
  const names = new Set(bytesOf(secret).keys());
  return pairNames.some(([chain, key]) => names.has(chain) && names.has(key)) || hasAuthorities(names);
}

/** Why a gateway could do nothing with a part of it; undefined where that is not so. */
export function whyOfNoUse(secret: Secret): string | undefined {
  const names = new Set(bytesOf(secret).keys());
  const isOnlyAuthorities = hasAuthorities(names) && !pairNames.flat().some((name) => names.has(name));
  const pair = isOnlyAuthorities ? undefined : keyPairOf(secret);
  const roots = hasAuthorities(names) ? authoritiesOf(secret) : undefined;
  return [pair, roots].flatMap((found) => (found?.ok === false ? [found.reason] : []))[0];
}

function hasAuthorities(names: ReadonlySet<string>): boolean {
  return authorityNames.some((name) => names.has(name));
}

const pairNames = [
  ['tls.crt', 'tls.key'],
  ['cert', 'key'],
] as const;
const authorityNames = ['ca.crt', 'cacert'] as const;

function readKeyPair(secret: Secret): Found<KeyPair> {
  const texts = decoded(secret);
  const names = pairNames.find(([chain, key]) => texts.has(chain) && texts.has(key));
  if (names === undefined) return { ok: false, reason: 'has neither tls.crt and tls.key nor cert and key' };
  const [chain, key] = names.map((name) => texts.get(name)!) as [string, string];
  const leaf = attempt(() => new X509Certificate(chain));
  if (leaf === undefined) return { ok: false, reason: `${names[0]} is not a certificate in PEM` };
  const privateKey = attempt(() => createPrivateKey(key));
  if (privateKey === undefined) return { ok: false, reason: `${names[1]} is not a private key in PEM` };
  if (!leaf.checkPrivateKey(privateKey))
    return { ok: false, reason: `${names[1]} is not the key of the certificate in ${names[0]}` };
  return { ok: true, value: { chain, key } };
}

function readAuthorities(source: Secret | ConfigMap): Found<Authorities> {
  const texts = decoded(source);
  const name = authorityNames.find((one) => texts.has(one));
  if (name === undefined) return { ok: false, reason: 'has neither ca.crt nor cacert' };
  const roots = texts.get(name)!;
  if (attempt(() => new X509Certificate(roots)) === undefined)
    return { ok: false, reason: `${name} is not a certificate in PEM` };
  const lists = texts.get('ca.crl') ?? '';
  if (lists !== '' && !lists.includes('-----BEGIN X509 CRL-----'))
    return { ok: false, reason: 'ca.crl is not a list of revoked certificates in PEM' };
  return { ok: true, value: { roots, lists } };
}

function decoded(source: Secret | ConfigMap): ReadonlyMap<string, string> {
  const decoder = new TextDecoder();
  return new Map([...bytesOf(source)].map(([name, bytes]) => [name, decoder.decode(bytes)]));
}

function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}

function remembered<K extends object, T>(map: WeakMap<K, T>, key: K, make: () => T): T {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
