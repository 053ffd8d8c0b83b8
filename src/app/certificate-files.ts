/**
 * A certificate as files for programs that watch files, such as gRPC's `file_watcher`:
 * `cert-chain.pem`, `key.pem` and `root-cert.pem`. All three change at once, as Kubernetes changes
 * mounted secrets: they are links into a folder that is swapped whole, so that a key is never
 * beside the certificate of another.
 */
import { createPrivateKey, randomBytes } from 'node:crypto';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { certificateFacts, certificatesFromPem, spiffeIdOf } from '#identity/certificate.ts';
import { verifyChain } from '#identity/peer.ts';
import { trustBundle, trustBundles } from '#identity/trust-bundle.ts';
import type { WorkloadCertificate } from './workload-identity.ts';

export const certificateFileNames = {
  chain: 'cert-chain.pem',
  key: 'key.pem',
  root: 'root-cert.pem',
} as const;

const CURRENT = '..data';
const VERSION_PREFIX = '..version-';

/** Whose certificate is looked for. */
export interface WantedCertificate {
  readonly spiffeId: string;
  /** It must end in one of these. */
  readonly rootCaPem: string;
  readonly nowMs: number;
}

/** What {@link writeCertificateFiles} has written, if it is still good for that. */
export function readCertificateFiles(
  folder: string,
  { spiffeId, rootCaPem, nowMs }: WantedCertificate,
): WorkloadCertificate | undefined {
  try {
    const read = (name: string): string => readFileSync(join(folder, CURRENT, name), 'utf8');
    const certificateChainPem = read(certificateFileNames.chain);
    const privateKeyPem = read(certificateFileNames.key);
    const [leaf] = certificatesFromPem(certificateChainPem);
    const id = leaf && spiffeIdOf(leaf);
    if (leaf === undefined || id?.uri !== spiffeId || !leaf.checkPrivateKey(createPrivateKey(privateKeyPem)))
      return undefined;
    const bundle = trustBundles(trustBundle(id.trustDomain, rootCaPem));
    if (!verifyChain(leaf, bundle, nowMs).ok) return undefined;
    const { notAfterMs } = certificateFacts(leaf);
    return { certificateChainPem, privateKeyPem, rootCaPem: read(certificateFileNames.root), notAfterMs };
  } catch {
    // None, or what a crash has left of one.
    return undefined;
  }
}

/** Throws the error of the file system where the folder cannot be written to. */
export function writeCertificateFiles(folder: string, certificate: WorkloadCertificate): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const version = `${VERSION_PREFIX}${randomBytes(6).toString('hex')}`;
  mkdirSync(join(folder, version), { mode: 0o700 });
  const write = (name: string, text: string, mode: number): void =>
    writeFileSync(join(folder, version, name), text, { mode, flag: 'wx' });
  write(certificateFileNames.key, certificate.privateKeyPem, 0o600);
  write(certificateFileNames.chain, certificate.certificateChainPem, 0o644);
  write(certificateFileNames.root, certificate.rootCaPem, 0o644);
  replaceLink(join(folder, CURRENT), version);
  for (const name of Object.values(certificateFileNames)) {
    const link = join(folder, name);
    if (linkTarget(link) !== join(CURRENT, name)) replaceLink(link, join(CURRENT, name));
  }
  removeOldVersions(folder, version);
}

function replaceLink(path: string, target: string): void {
  const draft = `${path}.draft`;
  rmSync(draft, { force: true });
  symlinkSync(target, draft);
  renameSync(draft, path);
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function removeOldVersions(folder: string, kept: string): void {
  for (const name of readdirSync(folder)) {
    if (name.startsWith(VERSION_PREFIX) && name !== kept) {
      rmSync(join(folder, name), { recursive: true, force: true });
    }
  }
}
