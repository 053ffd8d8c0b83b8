/**
 * SPIFFE ids: the names workloads have in certificates, such as
 * `spiffe://cluster.local/ns/default/sa/reviews`.
 *
 * Source: SPIFFE-ID, sections 2.1 to 2.3.
 */

export interface SpiffeId {
  /** The whole name, as written in the certificate. */
  readonly uri: string;
  /** Such as `cluster.local`. */
  readonly trustDomain: string;
  /** Starts with `/`; empty for the trust domain itself. */
  readonly path: string;
}

/** Who a workload is, apart from the trust domain. */
export interface ServiceAccountRef {
  readonly namespace: string;
  readonly serviceAccount: string;
}

const SCHEME = 'spiffe://';
/** SPIFFE-ID §2.3: longer ids must not be made; we do not take them either. */
const MAX_URI_BYTES = 2048;
const MAX_TRUST_DOMAIN_BYTES = 255;
const TRUST_DOMAIN = /^[a-z0-9._-]+$/;
const PATH_SEGMENT = /^[a-zA-Z0-9._-]+$/;

/** Undefined for anything that is not exactly a SPIFFE id: no port, user, query, fragment, escapes or empty segment. */
export function parseSpiffeId(uri: string): SpiffeId | undefined {
  if (!uri.startsWith(SCHEME) || uri.length > MAX_URI_BYTES) return undefined;
  const slash = uri.indexOf('/', SCHEME.length);
  const trustDomain = uri.slice(SCHEME.length, slash === -1 ? undefined : slash);
  const path = slash === -1 ? '' : uri.slice(slash);
  if (!isTrustDomain(trustDomain)) return undefined;
  if (path !== '' && !path.slice(1).split('/').every(isPathSegment)) return undefined;
  return { uri, trustDomain, path };
}

/** Whether `name` may stand after `spiffe://`, such as `cluster.local`. */
export function isTrustDomain(name: string): boolean {
  return name.length <= MAX_TRUST_DOMAIN_BYTES && TRUST_DOMAIN.test(name);
}

/** Whether `name` may be one step of the path of a SPIFFE id. */
export function isPathSegment(name: string): boolean {
  return PATH_SEGMENT.test(name) && name !== '.' && name !== '..';
}

/**
 * The id Istio gives a service account: `spiffe://TRUSTDOMAIN/ns/NS/sa/SA`.
 * Throws a plain `Error` where a part cannot stand in an id: callers check people's names before.
 */
export function workloadId(trustDomain: string, { namespace, serviceAccount }: ServiceAccountRef): SpiffeId {
  const id = parseSpiffeId(`${SCHEME}${trustDomain}/ns/${namespace}/sa/${serviceAccount}`);
  if (id === undefined || serviceAccountOf(id) === undefined) {
    throw new Error(`no SPIFFE id can be made of "${trustDomain}", "${namespace}" and "${serviceAccount}"`);
  }
  return id;
}

/** The service account an id stands for; undefined for ids of another form. */
export function serviceAccountOf(id: SpiffeId): ServiceAccountRef | undefined {
  const [empty, ns, namespace, sa, serviceAccount, ...rest] = id.path.split('/');
  if (empty !== '' || ns !== 'ns' || sa !== 'sa' || rest.length > 0) return undefined;
  if (namespace === undefined || serviceAccount === undefined) return undefined;
  return { namespace, serviceAccount };
}
