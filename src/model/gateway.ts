/** Istio `Gateway`: the ports on which gateways of certain labels take requests, and for which hosts. */

import { didYouMean } from '#core/did-you-mean.ts';
import { list } from './decode/collection.ts';
import type { Decoder } from './decode/decoder.ts';
import { defaulted, meaningless, object, optional, required, unsupported } from './decode/object.ts';
import { nonEmptyText, portNumber, text } from './decode/scalar.ts';
import { hostName } from './host-name.ts';
import type { KindDefinition } from './kind.ts';
import { type Labels, labels, type ResourceBase } from './metadata.ts';

export interface GatewayServer {
  readonly name?: string;
  readonly port: { readonly number: number; readonly name: string; readonly protocol: 'HTTP' };
  /** `*`, `*.example.com` or a name, without the namespace some write before it. */
  readonly hosts: readonly GatewayHost[];
}

export interface GatewayHost {
  readonly host: string;
  /** Only VirtualServices of this namespace may use it; absent: of any. */
  readonly namespace?: string;
}

export interface GatewaySpec {
  /** Of the gateway's pods. Empty: all gateways. */
  readonly selector: Labels;
  readonly servers: readonly GatewayServer[];
}

export type Gateway = ResourceBase<'Gateway', GatewaySpec>;

const protocols = ['HTTP', 'HTTPS', 'GRPC', 'GRPC-WEB', 'HTTP2', 'MONGO', 'TCP', 'TLS'] as const;

const protocol: Decoder<'HTTP'> = (value, path, report) => {
  const written = text(value, path, report)?.toUpperCase();
  if (written === undefined || written === 'HTTP') return written;
  if (!protocols.some((known) => known === written)) {
    return report.error(path, `${JSON.stringify(value)} is no protocol`, didYouMean(written, protocols));
  }
  const loss = written === 'HTTPS' || written === 'TLS' ? 'closes' : 'adds';
  report.unsupported(path, loss, `the protocol ${written}`);
  return undefined;
};

/** `host`, `namespace/host`, `./host` or `* /host` without the blank. */
const gatewayHost: Decoder<GatewayHost> = (value, path, report) => {
  const written = text(value, path, report);
  if (written === undefined) return undefined;
  const slash = written.indexOf('/');
  const host = hostName(written.slice(slash + 1), path, report);
  if (host === undefined) return undefined;
  const namespace = slash < 0 ? '*' : written.slice(0, slash);
  return namespace === '*' ? { host } : { host, namespace };
};

const serverFields = object({
  name: optional(text),
  port: required(
    object({
      number: required(portNumber),
      name: required(nonEmptyText),
      protocol: required(text),
      targetPort: meaningless(),
    }),
  ),
  hosts: required(list(gatewayHost, 1)),
  bind: unsupported('closes'),
  defaultEndpoint: unsupported('adds'),
  tls: unsupported('closes'),
});

/** A server of another protocol is left out of the list, with a problem. */
const servers: Decoder<readonly GatewayServer[]> = (value, path, report) => {
  const decoded = list(serverFields, 1)(value, path, report);
  return decoded?.flatMap((server, index) => {
    const known = protocol(server.port.protocol, [...path, index, 'port', 'protocol'], report);
    return known === undefined ? [] : [{ ...server, port: { ...server.port, protocol: known } }];
  });
};

const spec: Decoder<GatewaySpec> = object({
  selector: defaulted(labels, {}),
  servers: required(servers),
});

export const gatewayKind: KindDefinition<Gateway> = {
  kind: 'Gateway',
  group: 'networking.istio.io',
  versions: ['v1', 'v1beta1', 'v1alpha3'],
  scope: 'namespace',
  fields: { spec: required(spec), status: meaningless() },
};
