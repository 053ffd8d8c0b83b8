/** How names are looked up in the network of a workload: by DNS alone, of the sidecar or who answers for it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DNS_SERVICE_ADDRESS } from '#control/store/service-addresses.ts';
import { lookupFiles, type SeenFile } from '#host/network/seen-files.ts';
import { clusterDomain } from '#model/host-name.ts';

/**
 * What else a machine may ask, such as a resolver's socket, knows no services.
 *
 * @param folder for the files
 * @param namespace of the workload
 */
export function writeLookupFiles(folder: string, namespace: string): SeenFile[] {
  const order = join(folder, 'nsswitch.conf');
  writeFileSync(order, 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n');
  const resolver = join(folder, `resolv.${namespace}.conf`);
  writeFileSync(resolver, resolvConf(namespace));
  return [
    { file: order, at: lookupFiles.order },
    { file: resolver, at: lookupFiles.resolvers },
  ];
}

/** As a kubelet writes it. */
function resolvConf(namespace: string): string {
  return `nameserver ${DNS_SERVICE_ADDRESS}
search ${namespace}.${clusterDomain} ${clusterDomain} cluster.local
options ndots:5
`;
}
