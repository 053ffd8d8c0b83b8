/** Rows of what documents mean: somebody asks, calls or looks for endpoints, and what comes of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { short } from './routing-case.ts';
import { type Called, type SimulatedMesh, type SimulatedWorkload, simulateMesh } from './simulated-mesh.ts';

/** `http://host:port/path` is asked, a cluster looked into, as `v1 of HOST:PORT`. */
export type MeaningRow = readonly [from: string | Called, comes: string];

export interface Meaning {
  readonly why: string;
  readonly documents: string;
  readonly rows: readonly MeaningRow[];
  readonly from?: SimulatedWorkload;
}

/** @param common documents of all of them */
export function testMeanings(common: string, meanings: readonly Meaning[], from?: SimulatedWorkload): void {
  for (const { why, documents, rows, ...own } of meanings) {
    test(why, () => {
      const mesh = simulateMesh(`${common}\n---\n${documents}`, own.from ?? from);
      for (const [what, comes] of rows) assert.equal(outcomeOf(mesh, what), comes, JSON.stringify(what));
    });
  }
}

function outcomeOf(mesh: SimulatedMesh, what: string | Called): string {
  if (typeof what !== 'string') return short(mesh.call(what));
  const [, subset = '', host, port] = /^(?:(\w+) of )?([^:/]+):(\d+)$/.exec(what) ?? [];
  if (host !== undefined) return mesh.endpoints(`outbound|${port}|${subset}|${host}`);
  const [method, url] = what.includes(' ') ? what.split(' ') : ['GET', what];
  return short(mesh.ask({ method: method!, url: url! }));
}

/** A document of Istio's. @param kind `networking/VirtualService`, or of `security` */
export function written(kind: string, name: string, spec: string, namespace = 'default'): string {
  const [group, bare] = kind.includes('/') ? kind.split('/') : ['networking', kind];
  return `apiVersion: ${group}.istio.io/v1\nkind: ${bare}\nmetadata: {name: ${name}, namespace: ${namespace}}\nspec: {${spec}}\n---\n`;
}

export function service(name: string, ports: string, more: ServiceWords = {}): string {
  const { namespace = 'default', annotations = '', spec = '' } = more;
  return `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: ${namespace}, annotations: {${annotations}}}\nspec: {selector: {app: ${name}}, ports: ${ports}, ${spec}}\n---\n`;
}

interface ServiceWords {
  readonly namespace?: string;
  readonly annotations?: string;
  readonly spec?: string;
}

/** What holds for the mesh. */
export function meshConfig(text: string): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata: {mesh: '${text}'}\n---\n`;
}
