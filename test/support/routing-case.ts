/** Tables of cases: VirtualServices, and where requests of a caller in the mesh go by them. */
import assert from 'node:assert/strict';
import { type Asked, type SimulatedMesh, type SimulatedWorkload, simulateMesh } from './simulated-mesh.ts';

const services = `
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {clusterIP: 10.96.1.1, selector: {app: reviews}, ports: [{name: http, port: 9080}, {name: http-admin, port: 9081}]}
---
apiVersion: v1
kind: Service
metadata: {name: ratings}
spec: {clusterIP: 10.96.1.2, selector: {app: ratings}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: ratings, namespace: other}
spec: {clusterIP: 10.96.1.3, selector: {app: ratings}, ports: [{name: http, port: 80}]}
`;

export interface Written {
  readonly name?: string;
  readonly namespace?: string;
  readonly annotations?: string;
  /** YAML of the spec, in flow style: `hosts: [reviews]` is there unless it says hosts. */
  readonly spec: string;
}

function virtualService({
  name = 'routes',
  namespace = 'default',
  annotations = '{}',
  spec,
}: Written): string {
  const hosts = /\bhosts:/.test(spec) ? '' : 'hosts: [reviews], ';
  return `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}, namespace: ${namespace}, annotations: ${annotations}}
spec: {${hosts}${spec.replaceAll(/@(\w+)/g, (_, subset) => `{destination: {host: reviews, subset: ${subset}, port: {number: 9080}}}`)}}
`;
}

/** `@v1` in a spec is a destination; so it is in what comes out. */
export type Row = readonly [asked: string | Asked, goes: string];

export interface RoutingCase {
  readonly why: string;
  readonly written: string | readonly Written[];
  readonly rows: readonly Row[];
  readonly from?: SimulatedWorkload;
}

const reviews = 'http://reviews:9080';

function requestOf(asked: string | Asked): Asked {
  if (typeof asked !== 'string')
    return asked.url.startsWith('/') ? { ...asked, url: reviews + asked.url } : asked;
  const [method = 'GET', url = '/'] = asked.includes(' ') ? asked.split(' ') : ['GET', asked];
  return { method, url: url.startsWith('/') ? reviews + url : url };
}

/** Short for what the cases are about. */
export function short(outcome: string): string {
  return outcome
    .replaceAll(/outbound\|9080\|(\w*)\|reviews\.default\.svc\.cluster\.local/g, (_, subset) => `@${subset}`)
    .replaceAll(
      /outbound\|(\d+)\|(\w*)\|([\w.]+?)(?:\.svc\.cluster\.local)?(?= |$)/g,
      (_, port, subset, host) => `${host}:${port}${subset === '' ? '' : `/${subset}`}`,
    );
}

/** @param more documents */
export function meshOf(
  written: string | readonly Written[],
  from?: SimulatedWorkload,
  more = '',
): SimulatedMesh {
  const all = typeof written === 'string' ? [{ spec: written }] : written;
  return simulateMesh(services + more + all.map(virtualService).join(''), from);
}

export function checkRouting({ written, rows, from }: RoutingCase): void {
  const mesh = meshOf(written, from);
  for (const [asked, goes] of rows)
    assert.equal(short(mesh.ask(requestOf(asked))), goes, JSON.stringify(asked));
}
