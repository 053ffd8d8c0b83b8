/** A row of the table of configurations: documents, what is asked of a mesh that has them, and what Istio says comes of it. */

/** A request; what stands for nothing is a GET of `/` at port 80 of the configuration's host. */
export interface Request {
  /** `/path` or `POST /path`. */
  readonly get?: string;
  /** As the caller writes it; absent: the host of the configuration. */
  readonly host?: string;
  /** Of the service that a caller beside a sidecar means; of a gateway 8080, or 8443 with `tls`. */
  readonly port?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * What a backend answers its first request, its second and so on, the last one for ever: a status, `reset`, or `wait` for
   * no answer at all. By a backend's name, or for all of them under `any`.
   */
  readonly answers?: Readonly<Record<string, string>>;
  /** Headers of a backend's response. */
  readonly replies?: Readonly<Record<string, string>>;
  /** Past all sidecars of callers, as plain text to this port of the proxy itself. */
  readonly direct?: number;
  /** To gateways, by HTTPS; the name is that of the host, the certificate that of one of the clients. */
  readonly tls?: { readonly client?: 'alice' | 'bob'; readonly name?: string; readonly most?: 'TLSv1.2' };
}

/** A connection that says `hello` and hears what is answered. */
export interface Connection {
  readonly host?: string;
  readonly port: number;
  /** By TLS, with this name. */
  readonly name?: string;
}

/** Only what is written is compared with; null is for what must not be there. `<host>` is the host that was asked. */
export interface Expected {
  /** Else 200; `closed` where no answer comes. */
  readonly status?: number | 'closed';
  /** The backend that answered. */
  readonly by?: string;
  readonly path?: string;
  readonly host?: string;
  /** Headers that came to the backend. */
  readonly sent?: Readonly<Record<string, string | RegExp | null>>;
  /** Headers that came back. */
  readonly got?: Readonly<Record<string, string | RegExp | null>>;
  /** Of answers that are of no backend, and what connections hear. */
  readonly body?: string | RegExp;
  /** How many requests came to backends. */
  readonly attempts?: number;
  /** Requests at backends, in order of their names: `v1 /path`. */
  readonly copies?: readonly string[];
  /** What the backend has been told of the client's side of TLS, or the protocol it was spoken to. */
  readonly spoken?: string;
  readonly atLeastMs?: number;
}

/** A request or a connection. */
export interface Question {
  readonly ask?: Request;
  readonly call?: Connection;
}

/** One answer. */
export interface AskedOnce extends Question {
  readonly see: Expected;
}

/** Many answers of one kind: `200 v1`, or `503` where no backend answered. */
export interface AskedOften extends Question {
  readonly times: number;
  /** At once; else one behind the other. */
  readonly together?: boolean;
  /** Whoever answered: statuses alone. */
  readonly statuses?: boolean;
  /** They may be otherwise at first, as what a proxy finds out takes effect when its threads know it. */
  readonly settles?: boolean;
  /** How many there are of each. */
  readonly counts?: Readonly<Record<string, number>>;
  /** Percents of each, within what chance allows. */
  readonly shares?: Readonly<Record<string, number>>;
  /** All of them are the same, and one of these. */
  readonly alike?: readonly string[];
}

export type Asked = AskedOnce | AskedOften;

/** Callers beside sidecars, clients of gateways, or both. */
export type Through = 'sidecar' | 'gateway' | 'both';

/** In its texts `<host>` is its host, `<v1>` and so on are addresses of backends, `<folder>` has files, `@v1` is a destination. */
export interface Configuration {
  /** What it says, in words of its own; its host is made of it. */
  readonly name: string;
  /** Items of `http` of a VirtualService for the host, which is also `<host>.example.com` at the gateways. */
  readonly http?: string;
  /** More of that spec. */
  readonly spec?: string;
  /** More of the spec of the DestinationRule, which has the subsets v1, v2 and v3. */
  readonly policy?: string;
  readonly documents?: string;
  /** Spec of the Service; without it it selects the backends, and '' is none at all. */
  readonly service?: string;
  /** Of the Service, by these names; else `http` alone. */
  readonly ports?: readonly string[];
  readonly through: Through;
  /** It says something of all, and so is in force by itself. */
  readonly alone?: boolean;
  /** Connections of before may still be used by proxies for a moment. */
  readonly settles?: boolean;
  readonly asked: readonly Asked[];
}

const ports: Readonly<Record<string, string>> = {
  http: '{name: http, port: 80, targetPort: 8080}',
  http2: '{name: http2, port: 81, targetPort: 8081}',
  // HTTPS at the backend, for callers whose sidecar begins TLS.
  secure: '{name: http-secure, port: 82, targetPort: 8444}',
  tcp: '{name: tcp, port: 9000}',
  tls: '{name: tls, port: 8443}',
  unnamed: '{name: unnamed, port: 7000, targetPort: 9000}',
  either: '{name: either, port: 7001, targetPort: 8080}',
};

/** Of DNS, at most 63 characters. */
export function hostOf({ name }: Configuration): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
    .slice(0, 50);
}

export interface Places {
  /** By name. */
  readonly backends: Readonly<Record<string, string>>;
  readonly folder: string;
  readonly outsidePort: number;
}

export function documentsOf(configuration: Configuration, { backends, folder, outsidePort }: Places): string {
  const { http, spec = '', policy = '', documents = '', service, through } = configuration;
  const { ports: wanted = ['http'] } = configuration;
  const host = hostOf(configuration);
  const gateways = { sidecar: '[mesh]', gateway: '[edge]', both: '[mesh, edge]' }[through];
  const hosts = /\bhosts:/.test(spec) ? '' : `hosts: [${host}, ${host}.example.com], gateways: ${gateways}, `;
  const all = [
    service ?? `{selector: {app: backend}, ports: [${wanted.map((one) => ports[one]).join()}]}`,
    ...(http === undefined && spec === ''
      ? []
      : [`{${hosts}${http === undefined ? '' : `http: [${http}], `}${spec}}`]),
  ];
  const [serviceSpec, routes] = all;
  const subsets = ['v1', 'v2', 'v3'].map((name) => `{name: ${name}, labels: {version: ${name}}}`).join();
  const rule = /\bsubsets:/.test(policy) ? policy : `subsets: [${subsets}], ${policy}`;
  const text = [
    ...(serviceSpec === '' ? [] : [document('v1', 'Service', host, serviceSpec!)]),
    ...(routes === undefined ? [] : [document('networking.istio.io/v1', 'VirtualService', host, routes)]),
    ...(serviceSpec === ''
      ? []
      : [document('networking.istio.io/v1', 'DestinationRule', host, `{host: ${host}, ${rule}}`)]),
    documents,
  ].join('');
  const named: Readonly<Record<string, string>> = {
    ...backends,
    ...{ host, folder, outside: String(outsidePort) },
  };
  return text
    .replaceAll(/(?<![\w"])@(v\d)\b/g, '{destination: {host: <host>, subset: $1, port: {number: 80}}}')
    .replaceAll(/<([a-z]\w*)>/g, (whole, name: string) => named[name] ?? whole);
}

export function document(apiVersion: string, kind: string, name: string, spec: string): string {
  return `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: ${spec}\n---\n`;
}
