/** The options of a sidecar that answers DNS. */
import { isIP } from 'node:net';
import { type Command, InvalidArgumentError } from 'commander';
import { CliError, EXIT_USAGE } from '../exit.ts';

export interface SocketAddressOption {
  /** An IP address, without brackets. */
  readonly address: string;
  readonly port: number;
}

export interface DnsOptions {
  /** Where DNS is answered; absent: nowhere. */
  readonly dnsAddress?: readonly SocketAddressOption[];
  /** Who is asked about names that are not the mesh's; absent: the resolvers of the host. */
  readonly dnsUpstream?: readonly SocketAddressOption[];
}

const DNS_PORT = 53;
const MAX_PORT = 65_535;

export function addDnsOptions(command: Command): Command {
  return command
    .option(
      '--dns-address <ip:port>',
      'answer DNS there, such as 127.1.1.1:15053; several: repeated, or with commas',
      (text: string, before?: readonly SocketAddressOption[]) => [...(before ?? []), ...addresses(text)],
    )
    .option(
      '--dns-upstream <ip[:port]>',
      "ask these about names outside the mesh (default: the host's /etc/resolv.conf)",
      (text: string, before?: readonly SocketAddressOption[]) => [
        ...(before ?? []),
        ...addresses(text, DNS_PORT),
      ],
    );
}

/** What options cannot check one by one. */
export function checkDnsOptions({ dnsAddress, dnsUpstream }: DnsOptions): void {
  const refuse = (message: string, advice: string): never => {
    throw new CliError(message, { advice, exitCode: EXIT_USAGE });
  };
  if (dnsUpstream !== undefined && dnsAddress === undefined)
    refuse(
      '--dns-upstream is of no use without --dns-address',
      'say with --dns-address where DNS is answered',
    );
  const seen = new Set<string>();
  for (const { address, port } of dnsAddress ?? []) {
    const text = `${address} port ${port}`;
    if (port !== 0 && seen.has(text)) refuse(`--dns-address names ${text} twice`, 'leave one of them out');
    seen.add(text);
    if (port !== 0 && dnsUpstream?.some((other) => other.address === address && other.port === port))
      refuse(`--dns-upstream ${text} is the --dns-address: it would ask itself`, 'name another resolver');
  }
}

/** @param defaultPort of an address without one; absent: each needs a port. */
function addresses(text: string, defaultPort?: number): SocketAddressOption[] {
  return text.split(',').map((part) => {
    const parsed = socketAddress(part.trim(), defaultPort);
    if (parsed !== undefined) return parsed;
    const form = defaultPort === undefined ? 'IP:PORT' : 'IP or IP:PORT';
    throw new InvalidArgumentError(`${form} is needed, not "${part}" ([IP]:PORT for IPv6).`);
  });
}

function socketAddress(text: string, defaultPort: number | undefined): SocketAddressOption | undefined {
  if (isIP(text) !== 0) return defaultPort === undefined ? undefined : { address: text, port: defaultPort };
  const [, bracketed, plain, digits] = /^(?:\[(.+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const port = digits === undefined ? defaultPort : Number(digits);
  if (port === undefined || port > MAX_PORT) return undefined;
  // One of the system's choice is for who listens.
  if (port === 0 && defaultPort !== undefined) return undefined;
  if (bracketed !== undefined) return isIP(bracketed) === 6 ? { address: bracketed, port } : undefined;
  return plain !== undefined && isIP(plain) === 4 ? { address: plain, port } : undefined;
}
