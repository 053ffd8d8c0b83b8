/** `meshMTLS` and `tlsDefaults` of Istio's MeshConfig: what TLS must be at least. */
import { list } from './decode/collection.ts';
import type { Decoder, Path, Report } from './decode/decoder.ts';
import { defaulted, object, optional, refused } from './decode/object.ts';
import { oneOf, text } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';
import { knownCiphers } from './gateway-tls.ts';

/** Of connections between proxies of the mesh. */
export interface MeshTls {
  readonly minProtocolVersion: 'TLS_AUTO' | 'TLSV1_2' | 'TLSV1_3';
  /** Of TLS 1.2, that servers take; absent: the proxy's own. */
  readonly cipherSuites?: readonly string[];
}

/** Of all others. */
export interface TlsDefaults extends MeshTls {
  /** That keys are exchanged by; absent: the proxy's own. */
  readonly ecdhCurves?: readonly string[];
}

const versions = ['TLS_AUTO', 'TLSV1_2', 'TLSV1_3'] as const;

const ciphers: Decoder<readonly string[]> = refined(list(text), (suites, path, report) =>
  knownCiphers(suites, path, report),
);

/** Those that all proxies have (Istio, `security.ValidECDHCurves`, without P-224 and the draft of Kyber). */
const usable: readonly string[] = ['X25519MLKEM768', 'X25519', 'P-256', 'P-384', 'P-521'];

const curves: Decoder<readonly string[]> = refined(list(text), (written, path, report) => {
  const known = written.filter((curve, i) =>
    isUsable(curve, written.indexOf(curve) < i, [...path, i], report),
  );
  if (written.length > 0 && known.length === 0)
    report.error(path, 'names no curve that there is', `such as ${usable.slice(1, 3).join(', ')}`);
  return known;
});

function isUsable(curve: string, isThere: boolean, path: Path, report: Report): boolean {
  if (usable.includes(curve) && !isThere) return true;
  const why = isThere ? 'is there twice' : 'is unknown here, and left out';
  report.warning(path, `the curve ${JSON.stringify(curve)} ${why}`);
  return false;
}

const least = 'The least version that is taken; `TLS_AUTO`: 1.2.';

export const meshTls: Decoder<MeshTls> = object({
  minProtocolVersion: defaulted(oneOf(versions), 'TLS_AUTO', least),
  cipherSuites: optional(
    ciphers,
    'Of TLS 1.2, that the side which is called takes; unknown ones are left out.',
  ),
  ecdhCurves: refused('tlsDefaults.ecdhCurves is for all other TLS', 'An error in Istio too.'),
});

export const tlsDefaults: Decoder<TlsDefaults> = object({
  minProtocolVersion: defaulted(oneOf(versions), 'TLS_AUTO', `${least} A Gateway may say otherwise.`),
  cipherSuites: optional(ciphers, 'Of TLS 1.2; unknown ones are left out. A Gateway may say otherwise.'),
  ecdhCurves: optional(curves, `Of ${usable.join(', ')}; others are left out.`),
});
