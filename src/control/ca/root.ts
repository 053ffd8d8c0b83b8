/**
 * The mesh's self-made root. It is made once and kept in the state folder, so that certificates
 * outlive a restart of the control plane. Key and certificate are one file: no crash parts them.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pemBlocks } from '#identity/pem.ts';
import { createFile, makePrivateFolder, PRIVATE_FILE_MODE, replaceFile } from './private-file.ts';

export interface RootFiles {
  /** Folder of the CA: private. */
  readonly folder: string;
  /** The certificate alone, for everybody: `root-cert.pem`. */
  readonly certificatePath: string;
}

export interface Root {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

const DAY_MS = 24 * 3_600_000;
/** As Istio's self-signed root. */
const ROOT_LIFE_MS = 3650 * DAY_MS;
/** For hosts whose clock is behind ours. */
const BACKDATE_MS = 3_600_000;
const PUBLIC_FILE_MODE = 0o644;

export function rootFiles(stateFolder: string): RootFiles {
  const folder = join(stateFolder, 'ca');
  return { folder, certificatePath: join(folder, 'root-cert.pem') };
}

/**
 * The root of the state folder; made where there is none yet. Rejects with a plain `Error` that says
 * what to do where the file can be read by others, is damaged, expired or of another trust domain.
 */
export async function loadOrCreateRoot(
  stateFolder: string,
  trustDomain: string,
  nowMs: number,
): Promise<Root> {
  const { folder, certificatePath } = rootFiles(stateFolder);
  const path = join(folder, 'root.pem');
  await makePrivateFolder(folder);
  const text = (await readOrUndefined(path)) ?? (await createRootFile(path, trustDomain, nowMs));
  await refuseIfOpen(path);
  const root = readRoot(path, text, trustDomain, nowMs);
  await replaceFile(certificatePath, root.certificatePem, PUBLIC_FILE_MODE);
  return root;
}

async function createRootFile(path: string, trustDomain: string, nowMs: number): Promise<string> {
  const { createRoot } = await import('#identity/issue.ts');
  const validity = { notBefore: new Date(nowMs - BACKDATE_MS), notAfter: new Date(nowMs + ROOT_LIFE_MS) };
  const root = await createRoot(trustDomain, validity);
  await createFile(path, root.certificatePem + root.privateKeyPem, PRIVATE_FILE_MODE);
  return readFile(path, 'utf8'); // ours, or that of a control plane which was faster
}

async function readOrUndefined(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function refuseIfOpen(path: string): Promise<void> {
  const { mode } = await stat(path);
  if ((mode & 0o077) !== 0) {
    throw new Error(
      `${path} holds the key of the mesh and can be read by others (run: chmod 600 ${path}; ` +
        'if somebody may have read it, delete it, and the mesh gets a new root)',
    );
  }
}

function readRoot(path: string, text: string, trustDomain: string, nowMs: number): Root {
  const [certificatePem] = pemBlocks(text, 'CERTIFICATE');
  const [privateKeyPem] = pemBlocks(text, 'PRIVATE KEY');
  const wrong = (what: string): Error =>
    new Error(`${path} ${what} (delete it to get a new root; every workload then needs a new certificate)`);
  if (certificatePem === undefined || privateKeyPem === undefined) {
    throw wrong('does not hold a certificate and a key');
  }
  const certificate = new X509Certificate(certificatePem);
  if (!certificate.checkPrivateKey(createPrivateKey(privateKeyPem))) {
    throw wrong('holds a certificate and a key that do not belong together');
  }
  if (certificate.validToDate.getTime() <= nowMs) throw wrong(`expired on ${certificate.validTo}`);
  if (certificate.subjectAltName !== `URI:spiffe://${trustDomain}`) {
    throw wrong(`is the root of ${certificate.subjectAltName}, not of trust domain "${trustDomain}"`);
  }
  return { certificatePem, privateKeyPem };
}
