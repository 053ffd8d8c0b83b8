/** The name of the server that a request is for, as TLS towards the endpoint asks for it (Envoy, `auto_sni`, `auto_san_validation`). */
import { type HeaderList, headerOf } from '#http/header-list.ts';
import type { AutoName } from '../pool/settings.ts';
import { withoutPort } from '../route/table.ts';

/** '' where the cluster asks for none by request. @param request as it goes upstream */
export function serverNameFor(
  request: { readonly authority: string; readonly requestHeaders: HeaderList },
  autoName: AutoName | undefined,
): string {
  if (autoName === undefined) return '';
  const told = autoName.header === '' ? '' : (headerOf(request.requestHeaders, autoName.header) ?? '');
  const host = withoutPort(told === '' ? request.authority : told);
  return host.startsWith('[') ? host.slice(1, -1) : host;
}
