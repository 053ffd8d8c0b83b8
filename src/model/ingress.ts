/** Kubernetes `Ingress` (networking.k8s.io/v1): hosts and paths that the ingress gateway leads to services. */
import { list } from './decode/collection.ts';
import type { Decoder, Path, Report } from './decode/decoder.ts';
import { defaulted, meaningless, object, optional, refused, required } from './decode/object.ts';
import { dnsName, nonEmptyText, oneOf, portNumber, text } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';
import { hostName } from './host-name.ts';
import type { KindDefinition } from './kind.ts';
import type { ResourceBase } from './metadata.ts';

export interface IngressBackend {
  readonly service: {
    readonly name: string;
    readonly port: { readonly name?: string; readonly number?: number };
  };
}

export interface IngressPath {
  /** Empty: of any. */
  readonly path: string;
  readonly pathType: 'Exact' | 'Prefix' | 'ImplementationSpecific';
  readonly backend: IngressBackend;
}

export interface IngressRule {
  /** Absent: any. */
  readonly host?: string;
  readonly http?: { readonly paths: readonly IngressPath[] };
}

export interface IngressSpec {
  readonly ingressClassName?: string;
  /** For what no rule takes. */
  readonly defaultBackend?: IngressBackend;
  readonly tls: readonly { readonly hosts: readonly string[]; readonly secretName?: string }[];
  readonly rules: readonly IngressRule[];
}

export type Ingress = ResourceBase<'Ingress', IngressSpec>;

/** Classes that the ingress gateway serves: Istio's, and our own. */
export const ingressClasses: readonly string[] = ['istio', 'heddle'];
const classAnnotation = 'kubernetes.io/ingress.class';

/** What it says of who is to serve it; undefined: nothing. */
export function ingressClassOf({ metadata, spec }: Ingress): string | undefined {
  return spec.ingressClassName ?? metadata.annotations[classAnnotation];
}

export function isServed(ingress: Ingress): boolean {
  return ingressClasses.includes(ingressClassOf(ingress) ?? '');
}

const onlyServices = 'write service: {name: NAME, port: {number: PORT}}';

const port = object(
  {
    name: optional(nonEmptyText, 'As the Service calls it.'),
    number: optional(portNumber, 'Of the Service.'),
  },
  ({ name, number }, path, report) => {
    if ((name === undefined) !== (number === undefined)) return;
    report.error(path, 'needs either a name or a number');
  },
);

const backend: Decoder<IngressBackend> = object({
  service: required(
    object({
      name: required(dnsName('dots'), 'Of the same namespace.'),
      port: required(port, 'Either a name or a number.'),
    }),
    'Where it leads to.',
  ),
  resource: refused(onlyServices, 'Storage behind a backend: only services are led to.'),
});

const ingressPath: Decoder<IngressPath> = object(
  {
    path: defaulted(text, '', 'Absolute.'),
    pathType: required(
      oneOf(['Exact', 'Prefix', 'ImplementationSpecific']),
      'Exact, Prefix by whole segments, or ImplementationSpecific: exact, but for a `*` at its end.',
    ),
    backend: required(backend, 'Where these requests go.'),
  },
  ({ path: written, pathType }, path, report) => {
    if (pathType === 'ImplementationSpecific' ? written === '' : written.startsWith('/')) return;
    if (pathType === 'ImplementationSpecific' && /^[/*.]/.test(written)) return;
    report.error([...path, 'path'], `${JSON.stringify(written)} is not absolute`, `write "/${written}"`);
  },
);

/** A name, or one with a star for its first part. */
const ruleHost: Decoder<string> = refined(hostName, (host, path, report) => {
  if (host === '*') return report.error(path, 'no host stands for all', 'leave host out');
  if (/^[0-9.]+$/.test(host)) return report.error(path, `${host} is an address, and no name`);
  return host;
});

const spec: Decoder<IngressSpec> = object(
  {
    ingressClassName: optional(nonEmptyText, `Served are ${ingressClasses.join(' and ')}.`),
    defaultBackend: optional(backend, 'For requests that no rule takes.'),
    tls: defaulted(
      list(
        object({
          hosts: defaulted(list(hostName), [], 'By their SNI; empty: all.'),
          secretName: optional(nonEmptyText, "Secret with certificate and key, in the gateway's namespace."),
        }),
      ),
      [],
      'Certificates, for port 443.',
    ),
    rules: defaulted(
      list(
        object({
          host: optional(ruleHost, 'A name, or `*.example.com`; absent: any.'),
          http: optional(
            object({ paths: required(list(ingressPath, 1), 'Exact ones first, then the longest.') }),
            'What is led on.',
          ),
        }),
      ),
      [],
      'By host and path; those of all Ingresses for one host are one list.',
    ),
  },
  checkWhole,
);

function checkWhole(
  { defaultBackend, rules }: Pick<IngressSpec, 'defaultBackend' | 'rules'>,
  path: Path,
  report: Report,
): void {
  if (defaultBackend === undefined && rules.length === 0)
    report.error(path, 'needs rules, or a defaultBackend');
}

export const ingressKind: KindDefinition<Ingress> = {
  kind: 'Ingress',
  group: 'networking.k8s.io',
  versions: ['v1'],
  scope: 'namespace',
  about: 'Hosts and paths that the ingress gateway leads to services ([gateways.md](../gateways.md)).',
  fields: { spec: required(spec), status: meaningless() },
  annotations: { [classAnnotation]: nonEmptyText },
};
