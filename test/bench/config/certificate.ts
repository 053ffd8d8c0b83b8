/** Makes the certificates of a run: a CA of its own and one leaf, P-256, good for a day. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Certificates, leafDnsName, leafSpiffeId } from './work.ts';

const extensions = `
[ca]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
[leaf]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = URI:${leafSpiffeId}, DNS:${leafDnsName}
`;

export function makeCertificates(folder: string): Certificates {
  const at = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  };
  const request = (key: string, out: string, subject: string): void =>
    openssl(
      ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-keyout', key, '-out', out, '-subj', subject],
    );
  writeFileSync(at('extensions.cnf'), extensions);
  request(at('ca.key'), at('ca.csr'), '/O=heddle bench');
  openssl(
    ...['x509', '-req', '-in', at('ca.csr'), '-signkey', at('ca.key'), '-out', at('ca.pem'), '-days', '1'],
    ...['-extfile', at('extensions.cnf'), '-extensions', 'ca'],
  );
  request(at('leaf.key'), at('leaf.csr'), '/O=heddle bench leaf');
  openssl(
    ...[
      'x509',
      '-req',
      '-in',
      at('leaf.csr'),
      '-CA',
      at('ca.pem'),
      '-CAkey',
      at('ca.key'),
      '-CAcreateserial',
    ],
    ...['-out', at('leaf.pem'), '-days', '1', '-extfile', at('extensions.cnf'), '-extensions', 'leaf'],
  );
  writeFileSync(at('pair.pem'), readFileSync(at('leaf.pem'), 'utf8') + readFileSync(at('leaf.key'), 'utf8'));
  return { ca: at('ca.pem'), certificate: at('leaf.pem'), key: at('leaf.key'), pair: at('pair.pem') };
}
