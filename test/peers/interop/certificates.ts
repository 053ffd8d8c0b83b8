/** A root and a certificate for `localhost`, by openssl, for clients that verify it. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** PEM files. */
export interface Certificates {
  readonly root: string;
  readonly certificate: string;
  readonly key: string;
}

const settings = `
[root]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:localhost, IP:127.0.0.1
`;

export function makeCertificates(folder: string): Certificates {
  const at = (name: string): string => join(folder, name);
  writeFileSync(at('openssl.cnf'), `[req]\ndistinguished_name = dn\n[dn]\n${settings}`);
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  };
  const key = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-config',
    at('openssl.cnf'),
  ];
  openssl(
    ...[
      'req',
      '-x509',
      ...key,
      '-keyout',
      at('root.key'),
      '-out',
      at('root.pem'),
      '-subj',
      '/O=interop root',
    ],
    ...['-days', '2', '-extensions', 'root'],
  );
  openssl('req', ...key, '-keyout', at('leaf.key'), '-out', at('leaf.csr'), '-subj', '/O=interop');
  openssl(
    ...['x509', '-req', '-in', at('leaf.csr'), '-CA', at('root.pem'), '-CAkey', at('root.key')],
    ...['-CAcreateserial', '-out', at('leaf.pem'), '-days', '2', '-extfile', at('openssl.cnf')],
    ...['-extensions', 'leaf'],
  );
  return { root: at('root.pem'), certificate: at('leaf.pem'), key: at('leaf.key') };
}
