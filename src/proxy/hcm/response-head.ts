/** What a connection manager puts on every response. */
import { type HeaderList, hasHeader, headerOf, setHeader } from '#http/header-list.ts';
import type { HcmRuntime } from './runtime.ts';

export function setOwnHeaders(headers: HeaderList, request: readonly string[], runtime: HcmRuntime): void {
  const { settings } = runtime;
  if (!hasHeader(headers, 'date')) headers.push('date', runtime.date());
  if (settings.serverHeader === 'overwrite') setHeader(headers, 'server', settings.serverName);
  else if (settings.serverHeader === 'if-absent' && !hasHeader(headers, 'server')) {
    headers.push('server', settings.serverName);
  }
  if (settings.via !== '') headers.push('via', settings.via);
  if (!settings.requestIdInResponse) return;
  const id = headerOf(request, 'x-request-id');
  if (id !== undefined) setHeader(headers, 'x-request-id', id);
}
