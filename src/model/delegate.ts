/**
 * VirtualServices without hosts, to which routes of others delegate: one level, and what they do not say themselves they
 * take from the route that delegates (Istio, "HTTPRoute.delegate").
 */
import { fullHostName } from './host-name.ts';
import type { HttpMatch } from './http-match.ts';
import type { HttpMirror, HttpRoute } from './http-route.ts';
import type { StringMatch } from './string-match.ts';
import { faultScopeAnnotation, gatewayNames, isDelegate, type VirtualService } from './virtual-service.ts';

/** A route of a delegate that a VirtualService does not take, or a delegation that leads nowhere. */
export interface Undelegated {
  readonly root: VirtualService;
  /** Of the route that delegates. */
  readonly http: number;
  /** Undefined: there is none of that name. */
  readonly delegate?: VirtualService;
  /** `hidden`: the delegate is not exported to the namespace; else the field that contradicts. */
  readonly why: 'absent' | 'hidden' | ConflictingField;
  /** Of the delegate, which is left out. */
  readonly route?: number;
}

export type ConflictingField = keyof HttpMatch;

export interface Delegated {
  /** Those with hosts; a route that delegates has become those of its delegate. */
  readonly virtualServices: readonly VirtualService[];
  readonly undelegated: readonly Undelegated[];
}

/** @param isVisible whether the delegate may be used in the namespace. */
export function resolveDelegates(
  all: readonly VirtualService[],
  isVisible: (delegate: VirtualService, namespace: string) => boolean,
): Delegated {
  const delegates = new Map(
    all.filter(isDelegate).map((one) => [`${one.metadata.namespace ?? ''}/${one.metadata.name}`, one]),
  );
  const undelegated: Undelegated[] = [];
  const resolve = (root: VirtualService): VirtualService => {
    if (root.spec.http.every(({ delegate }) => delegate === undefined)) return root;
    const { namespace = '' } = root.metadata;
    const http = root.spec.http.flatMap((route, index) => {
      if (route.delegate === undefined) return [{ ...route, written: { in: root, position: index } }];
      const delegate = delegates.get(`${route.delegate.namespace ?? namespace}/${route.delegate.name}`);
      if (delegate === undefined) undelegated.push({ root, http: index, why: 'absent' });
      else if (isVisible(delegate, namespace))
        return delegate.spec.http.flatMap((own, number) => {
          const merged = mergeRoutes(route, root, own, delegate);
          if (typeof merged !== 'string') return [{ ...merged, written: { in: delegate, position: number } }];
          undelegated.push({ root, http: index, delegate, why: merged, route: number });
          return [];
        });
      else undelegated.push({ root, http: index, delegate, why: 'hidden' });
      return [];
    });
    return { ...root, spec: { ...root.spec, http } };
  };
  return { virtualServices: all.filter((one) => !isDelegate(one)).map(resolve), undelegated };
}

function mergeRoutes(
  outer: HttpRoute,
  root: VirtualService,
  inner: HttpRoute,
  delegate: VirtualService,
): HttpRoute | ConflictingField {
  const { namespace = '' } = root.metadata;
  const match = mergeMatches(
    outer.match.map((one) => ofNamespace(one, namespace)),
    inner.match.map((one) => ofNamespace(one, delegate.metadata.namespace ?? '')),
  );
  if (typeof match === 'string') return match;
  const {
    match: _,
    delegate: __,
    route: ___,
    redirect: ____,
    name: outerName,
    mirrors,
    ...inherited
  } = outer;
  const name = joinNames(outerName, inner.name);
  const isFaultInherited = inner.fault === undefined && outer.fault !== undefined;
  return {
    ...inherited,
    ...inner,
    ...(name !== undefined && { name }),
    match,
    mirrors: inner.mirrors.length > 0 ? inner.mirrors : mirrors.map((one) => mirrorOf(one, namespace)),
    owner: isFaultInherited ? withFaultScopeOf(root, delegate) : delegate.metadata,
  };
}

function withFaultScopeOf(root: VirtualService, { metadata }: VirtualService): VirtualService['metadata'] {
  const { [faultScopeAnnotation]: _, ...annotations } = metadata.annotations;
  const scope = root.metadata.annotations[faultScopeAnnotation];
  return {
    ...metadata,
    annotations: { ...annotations, ...(scope !== undefined && { [faultScopeAnnotation]: scope }) },
  };
}

/** Its short name is one of the namespace that it comes from. */
function mirrorOf(mirror: HttpMirror, namespace: string): HttpMirror {
  const { destination } = mirror;
  return { ...mirror, destination: { ...destination, host: fullHostName(destination.host, namespace) } };
}

function ofNamespace(match: HttpMatch, namespace: string): HttpMatch {
  return match.gateways === undefined
    ? match
    : { ...match, gateways: gatewayNames(match.gateways, namespace) };
}

function joinNames(outer: string | undefined, inner: string | undefined): string | undefined {
  if (outer === undefined || outer === '') return inner;
  return inner === undefined || inner === '' ? outer : `${outer}-${inner}`;
}

/** Each of the inner with every one of the outer that it narrows; one that narrows none is a conflict. */
function mergeMatches(
  outer: readonly HttpMatch[],
  inner: readonly HttpMatch[],
): readonly HttpMatch[] | ConflictingField {
  if (outer.length === 0 || inner.length === 0) return outer.length === 0 ? inner : outer;
  const merged: HttpMatch[] = [];
  for (const one of inner) {
    const conflicts = outer.map((other) => conflictOf(other, one));
    const fitting = outer.filter((_, i) => conflicts[i] === undefined);
    if (fitting.length === 0) return conflicts[0]!;
    merged.push(...fitting.map((other) => mergeMatch(other, one)));
  }
  return merged;
}

function mergeMatch(outer: HttpMatch, inner: HttpMatch): HttpMatch {
  const name = joinNames(outer.name, inner.name);
  return {
    ...outer,
    ...inner,
    ...(name !== undefined && { name }),
    headers: { ...outer.headers, ...inner.headers },
    withoutHeaders: { ...outer.withoutHeaders, ...inner.withoutHeaders },
    queryParams: { ...outer.queryParams, ...inner.queryParams },
    sourceLabels: { ...outer.sourceLabels, ...inner.sourceLabels },
  };
}

/** The field by which requests of the inner are not all among those of the outer, as far as one can tell. */
function conflictOf(outer: HttpMatch, inner: HttpMatch): ConflictingField | undefined {
  for (const field of ['uri', 'scheme', 'method', 'authority'] as const) {
    if (!isNarrower(inner[field], outer[field])) return field;
  }
  for (const field of ['headers', 'queryParams'] as const) {
    const names = Object.keys(inner[field]);
    if (names.some((name) => !isNarrower(inner[field][name], outer[field][name]))) return field;
  }
  const without = Object.entries(inner.withoutHeaders);
  if (without.some(([name, value]) => !isSame(value, outer.withoutHeaders[name] ?? value)))
    return 'withoutHeaders';
  if (outer.ignoreUriCase !== inner.ignoreUriCase) return 'ignoreUriCase';
  for (const field of ['port', 'sourceNamespace'] as const) {
    if ((inner[field] ?? outer[field]) !== (outer[field] ?? inner[field])) return field;
  }
  const labels = Object.entries(inner.sourceLabels);
  if (labels.some(([name, value]) => (outer.sourceLabels[name] ?? value) !== value)) return 'sourceLabels';
  const allowed = outer.gateways ?? inner.gateways;
  return (inner.gateways ?? []).every((name) => allowed?.includes(name)) ? undefined : 'gateways';
}

/** Whether what the inner matches, the outer matches too; of a regular expression only that of nothing is known. */
function isNarrower(inner: StringMatch | undefined, outer: StringMatch | undefined): boolean {
  if (inner === undefined || outer === undefined || Object.keys(outer).length === 0) return true;
  if (outer.exact !== undefined) return inner.exact === outer.exact;
  if (outer.prefix === undefined) return false;
  return (inner.exact ?? inner.prefix)?.startsWith(outer.prefix) ?? false;
}

function isSame(a: StringMatch, b: StringMatch): boolean {
  return a.exact === b.exact && a.prefix === b.prefix && a.regex === b.regex;
}
