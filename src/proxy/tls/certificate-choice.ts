/** Which of several certificates a client is shown (Envoy, "Multiple TLS certificates"). */
import type { PeerCertificate } from '#identity/peer-certificate.ts';
import type { HelloFacts } from './hello.ts';

/** What of a certificate the choice depends on. */
export type ChoosableCertificate = Pick<PeerCertificate, 'details' | 'names' | 'keyKind' | 'keyCurve'>;

/** What an ECDSA key on a curve asks of a client: the curve's number, and that of the signature. */
const curves: Readonly<Record<string, { readonly group: number; readonly signature: number }>> = {
  prime256v1: { group: 23, signature: 0x0403 },
  secp384r1: { group: 24, signature: 0x0503 },
  secp521r1: { group: 25, signature: 0x0603 },
};

/** Ciphers that go with an ECDSA key: those of TLS 1.3, and the ones of TLS 1.2 that name it. */
const ecdsaCiphers: ReadonlySet<number> = new Set([
  0x1301, 0x1302, 0x1303, 0xc009, 0xc00a, 0xc023, 0xc02b, 0xc02c, 0xcca9,
]);

export class CertificateChoice {
  readonly #certificates: readonly ChoosableCertificate[];
  readonly #fullScan: boolean;
  /** By name, `.example.com` for wildcards. */
  readonly #byName = new Map<string, number[]>();

  /** @param fullScan whether all are looked at where the name of the server is that of none */
  constructor(certificates: readonly ChoosableCertificate[], fullScan: boolean) {
    this.#certificates = certificates;
    this.#fullScan = fullScan;
    certificates.forEach(({ names, details }, i) => {
      const hasNames = details.allNames.length > 0;
      for (const name of hasNames ? names.dns : [details.commonName]) this.#add(name.toLowerCase(), i);
    });
  }

  #add(name: string, index: number): void {
    const key = name.startsWith('*.') ? name.slice(1) : name;
    if (key === '') return;
    const list = this.#byName.get(key);
    if (list === undefined) this.#byName.set(key, [index]);
    else list.push(index);
  }

  /**
   * The place of the certificate in the list.
   *
   * @param isUsable whether one may be shown now; the first one is the last resort, whatever it says
   */
  choose(hello: HelloFacts, isUsable: (index: number) => boolean): number {
    if (this.#certificates.length === 1) return 0;
    const { serverName } = hello;
    if (serverName !== '') {
      const dot = serverName.indexOf('.', 1);
      const named =
        this.#pick(this.#byName.get(serverName), hello, isUsable) ??
        (dot === -1 ? undefined : this.#pick(this.#byName.get(serverName.slice(dot)), hello, isUsable));
      if (named !== undefined) return named;
      if (!this.#fullScan) return 0;
    }
    return this.#pick([...this.#certificates.keys()], hello, isUsable) ?? 0;
  }

  /** A certificate of ECDSA where the client can read it; else the first of another kind. */
  #pick(
    candidates: readonly number[] | undefined,
    hello: HelloFacts,
    isUsable: (index: number) => boolean,
  ): number | undefined {
    let other: number | undefined;
    for (const i of candidates ?? []) {
      if (!isUsable(i)) continue;
      const { keyKind, keyCurve } = this.#certificates[i]!;
      if (keyKind !== 'ec') other ??= i;
      else if (readsEcdsa(hello, keyCurve)) return i;
    }
    return other;
  }
}

function readsEcdsa({ ciphers, groups, signatures }: HelloFacts, keyCurve: string): boolean {
  const curve = curves[keyCurve];
  if (curve === undefined || !ciphers.some((cipher) => ecdsaCiphers.has(cipher))) return false;
  return groups.includes(curve.group) && signatures.includes(curve.signature);
}
