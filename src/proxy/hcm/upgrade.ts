/** Changes of protocol, CONNECT among them: who may have one, and how the upstream accepts it (Envoy, "HTTP upgrades"). */

import type { Forward } from '../route/action.ts';
import type { RouteAct } from '../route/table.ts';
import type { HcmSettings } from './settings.ts';

/** A request, as far as it matters here. */
interface Asking {
  readonly method: string;
  /** Protocol asked for as the client wrote it; '' for none. */
  readonly upgrade: string;
}

/** Whether a protocol other than HTTP is asked for. */
export function asksUpgrade({ method, upgrade }: Asking): boolean {
  return upgrade !== '' || method === 'CONNECT';
}

/** The route says first, then the listener. */
export function allowsUpgrade(
  { method, upgrade }: Asking,
  action: RouteAct | undefined,
  settings: HcmSettings,
): boolean {
  const type = upgrade === '' ? method.toLowerCase() : upgrade.toLowerCase();
  const ofRoute = action?.kind === 'forward' ? action.upgrades.get(type) : undefined;
  return ofRoute ?? settings.upgrades.get(type) ?? false;
}

/** Whether what the client sends waits for the upstream to accept. */
export function waitsForAcceptance({ method, upgrade }: Asking, isTerminated: boolean): boolean {
  return (method === 'CONNECT' && !isTerminated) || (upgrade !== '' && upgrade.toLowerCase() === 'websocket');
}

/** Whether a request ends here, and its bytes go on as a plain connection. */
export function endsHere({ method }: Asking, action: Forward): boolean {
  if (!action.terminatesConnect) return false;
  return method === 'CONNECT' || (method === 'POST' && action.terminatesPost);
}

/**
 * Whether a refusal is no answer to the client's handshake, which gets its head alone.
 * @param major version of HTTP of the upstream
 */
export function isUseless({ upgrade }: Asking, status: number, major: number): boolean {
  return upgrade !== '' && major === 1 && status < 400;
}

/** Whether bytes of another protocol follow a response. */
export function isAccepted(asking: Asking, status: number): boolean {
  return asking.method === 'CONNECT'
    ? status >= 200 && status < 300
    : status === 101 && asking.upgrade !== '';
}

/** @param flags Envoy's, with commas between */
export function isConnectionFailure(flags: string): boolean {
  return flags.split(',').some((flag) => flag === 'UF' || flag === 'UC');
}
