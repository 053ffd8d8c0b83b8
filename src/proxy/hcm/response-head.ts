/** What a connection manager puts on every response. */
import { type HeaderList, hasHeader, headerOf, joinedHeaderOf, setHeader } from '#http/header-list.ts';
import type { HcmRuntime } from './runtime.ts';

export function setOwnHeaders(headers: HeaderList, request: readonly string[], runtime: HcmRuntime): void {
  const { settings } = runtime;
  if (!hasHeader(headers, 'date')) headers.push('date', runtime.date());
  if (settings.serverHeader === 'overwrite') setHeader(headers, 'server', settings.serverName);
  else if (settings.serverHeader === 'if-absent' && !hasHeader(headers, 'server')) {
    headers.push('server', settings.serverName);
  }
  if (settings.via !== '') appendVia(headers, settings.via);
  if (!settings.head.requestId.inResponse && !hasHeader(request, 'x-envoy-force-trace')) return;
  const id = headerOf(request, 'x-request-id');
  if (id !== undefined) setHeader(headers, 'x-request-id', id);
}

/** Adds ourselves to those a message came through (RFC 9110 §7.6.3). */
export function appendVia(headers: HeaderList, via: string): void {
  const before = joinedHeaderOf(headers, 'via');
  setHeader(headers, 'via', before === undefined ? via : `${before}, ${via}`);
}
