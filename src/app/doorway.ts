/** Composition root of `heddle doorway`: both ways between the network it runs in and the machine. */
import { readFileSync } from 'node:fs';
import type { DoorwayOptions } from '#cli/command/doorway.ts';
import { EXIT_OK } from '#cli/exit.ts';
import { DnsRelay } from '#host/network/dns-relay.ts';
import { Doorway } from '#host/network/doorway.ts';
import { WayOut } from '#host/network/way-out.ts';
import { DNS_PORT, parseResolvConf, type ResolverAddress } from '#names/resolver-list.ts';
import { openLog } from './process-log.ts';
import { stopSignal } from './stop-signal.ts';

/** Runs until SIGTERM or SIGINT; resolves to the exit code. */
export async function runDoorway(options: DoorwayOptions): Promise<number> {
  const log = openLog(options);
  const stopping = stopSignal(log);
  const out = await WayOut.open(options.port, options.out);
  let names: DnsRelay | undefined;
  try {
    names = await openRelay(options);
    // Its file says that both are there.
    const inward = await Doorway.open(options.in);
    log.info('doorway.started', { in: options.in, out: options.out, port: options.port });
    await stopping.asked;
    await inward.close();
  } finally {
    await names?.close();
    await out.close();
  }
  return EXIT_OK;
}

/** This process sees the machine's own `resolv.conf`. */
async function openRelay({ dnsAddress, out }: DoorwayOptions): Promise<DnsRelay | undefined> {
  if (dnsAddress === undefined) return undefined;
  const resolvers = (): readonly ResolverAddress[] =>
    parseResolvConf(readFileSync('/etc/resolv.conf', 'utf8')).servers;
  return DnsRelay.open({ host: dnsAddress, port: DNS_PORT, doorway: out, resolvers });
}
