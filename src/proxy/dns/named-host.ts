/** A host as requests name it. */
import { hostPort } from '#core/ip-address.ts';

export interface NamedHost {
  readonly host: string;
  readonly port: number;
}

export function keyOf({ host, port }: NamedHost): string {
  return hostPort(host.toLowerCase(), port);
}

export function isAddress(host: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(host) || host.includes(':');
}

export function splitAuthority(authority: string, defaultPort: number): NamedHost {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(authority);
  const host = match?.[1] ?? match?.[2] ?? authority;
  return { host, port: match?.[3] === undefined ? defaultPort : Number(match[3]) };
}
