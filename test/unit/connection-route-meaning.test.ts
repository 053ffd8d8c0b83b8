/** What `tls` and `tcp` routes mean: a connection of a caller in the mesh, and where it goes. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Called, type SimulatedWorkload, simulateMesh } from '../support/simulated-mesh.ts';

const services = `
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: 10.96.2.1, selector: {app: db}, ports: [{name: tcp, port: 5432}, {name: tcp-admin, port: 5433}]}
---
apiVersion: v1
kind: Service
metadata: {name: vault}
spec: {clusterIP: 10.96.2.2, selector: {app: vault}, ports: [{name: tls, port: 8443}]}
---
apiVersion: v1
kind: Service
metadata: {name: any}
spec: {clusterIP: 10.96.2.3, selector: {app: any}, ports: [{name: unnamed, port: 7000}]}
---
apiVersion: v1
kind: Service
metadata: {name: egress}
spec: {clusterIP: 10.96.2.4, selector: {app: egress}, ports: [{name: tls, port: 443}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: wiki}
spec: {hosts: ["*.wikipedia.org"], location: MESH_EXTERNAL, resolution: NONE, ports: [{number: 443, name: tls, protocol: TLS}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: range}
spec: {hosts: [range.example.com], addresses: [10.200.0.0/16], location: MESH_EXTERNAL, resolution: NONE, ports: [{number: 6000, name: tcp, protocol: TCP}]}
`;

const db: Called = { address: '10.96.2.1', port: 5432 };
const vault: Called = { address: '10.96.2.2', port: 8443 };
const any: Called = { address: '10.96.2.3', port: 7000 };

function short(outcome: string): string {
  return outcome.replaceAll(
    /outbound\|(\d+)\|(\w*)\|([\w.*]+?)(?:\.default\.svc\.cluster\.local)?(?=[= ]|$)/g,
    (_, port, subset, host) => `${host}:${port}${subset === '' ? '' : `/${subset}`}`,
  );
}

interface Case {
  readonly why: string;
  /** Specs of VirtualServices. */
  readonly specs: readonly string[];
  readonly rows: readonly (readonly [called: Called, goes: string])[];
  readonly from?: SimulatedWorkload;
}

const suites: Readonly<Record<string, readonly Case[]>> = {
  'no routes': [
    {
      why: 'to the service',
      specs: [],
      rows: [
        [db, 'db:5432'],
        [{ ...vault, sni: 'a.example.com' }, 'vault:8443'],
        [any, 'any:7000'],
        [{ ...any, http: true }, 'http'],
      ],
    },
  ],
  tcp: [
    {
      why: 'elsewhere',
      specs: ['hosts: [db], tcp: [{route: [{destination: {host: db, subset: v1, port: {number: 5432}}}]}]'],
      rows: [
        [db, 'db:5432/v1'],
        [{ ...db, port: 5433 }, 'db:5432/v1'],
      ],
    },
    {
      why: 'by weight, without those of none',
      specs: [
        'hosts: [db], tcp: [{route: [{destination: {host: db, subset: v1}, weight: 3}, {destination: {host: db, subset: v2}, weight: 1}, {destination: {host: db}}]}]',
      ],
      rows: [[db, 'db:5432/v1=3 db:5432/v2=1']],
    },
    {
      why: 'by port',
      specs: ['hosts: [db], tcp: [{match: [{port: 5433}], route: [{destination: {host: any}}]}]'],
      rows: [
        [db, 'db:5432'],
        [{ ...db, port: 5433 }, 'any:7000'],
      ],
    },
    {
      why: 'the first that matches',
      specs: [
        'hosts: [db], tcp: [{match: [{sourceLabels: {app: other}}], route: [{destination: {host: any}}]}, {match: [{sourceLabels: {app: caller}}], route: [{destination: {host: db, subset: v1}}]}, {route: [{destination: {host: db, subset: v2}}]}]',
      ],
      rows: [[db, 'db:5432/v1']],
    },
    {
      why: 'by namespace of the caller',
      specs: ['hosts: [db], tcp: [{match: [{sourceNamespace: other}], route: [{destination: {host: any}}]}]'],
      rows: [[db, 'any:7000']],
      from: { namespace: 'other' },
    },
    {
      why: 'of a gateway only, not in the mesh',
      specs: [
        'hosts: [db], gateways: [mesh, edge], tcp: [{match: [{gateways: [edge]}], route: [{destination: {host: any}}]}]',
      ],
      rows: [[db, 'db:5432']],
    },
    {
      why: 'by the address that was called',
      specs: [
        'hosts: [range.example.com], tcp: [{match: [{destinationSubnets: [10.200.1.0/24]}], route: [{destination: {host: db, port: {number: 5432}}}]}]',
      ],
      rows: [
        [{ address: '10.200.1.5', port: 6000 }, 'db:5432'],
        [{ address: '10.200.2.5', port: 6000 }, 'range.example.com:6000'],
        [{ address: '10.201.2.5', port: 6000 }, 'PassthroughCluster'],
      ],
    },
    {
      why: 'of equal addresses the first',
      specs: [
        'hosts: [db], tcp: [{match: [{destinationSubnets: [10.96.2.0/24]}], route: [{destination: {host: db, subset: v1}}]}, {match: [{destinationSubnets: [10.96.2.9/24, 10.97.0.0/16]}], route: [{destination: {host: db, subset: v2}}]}]',
      ],
      rows: [[db, 'db:5432/v1']],
    },
    {
      why: 'all of a range',
      specs: [
        'hosts: [range.example.com], tcp: [{route: [{destination: {host: db, port: {number: 5432}}}]}]',
      ],
      rows: [
        [{ address: '10.200.1.5', port: 6000 }, 'db:5432'],
        [{ address: '10.201.2.5', port: 6000 }, 'PassthroughCluster'],
      ],
    },
    {
      why: 'what turns out to be no HTTP',
      specs: ['hosts: [any], tcp: [{route: [{destination: {host: any, subset: v1}}]}]'],
      rows: [
        [any, 'any:7000/v1'],
        [{ ...any, sni: 'x' }, 'any:7000/v1'],
        [{ ...any, http: true }, 'http'],
      ],
    },
    {
      why: 'of several VirtualServices, in order of their names',
      specs: [
        'hosts: [db], tcp: [{match: [{port: 5433}], route: [{destination: {host: db, subset: v1}}]}]',
        'hosts: [db], tcp: [{route: [{destination: {host: db, subset: v2}}]}]',
      ],
      rows: [
        [{ ...db, port: 5433 }, 'db:5433/v1'],
        [db, 'db:5432/v2'],
      ],
    },
    {
      why: 'not for ports of TLS',
      specs: ['hosts: [vault], tcp: [{route: [{destination: {host: db}}]}]'],
      rows: [[{ ...vault, sni: 'x' }, 'vault:8443']],
    },
  ],
  tls: [
    {
      why: 'by the name in the ClientHello',
      specs: [
        'hosts: [vault, a.example.com, "*.b.example.com"], tls: [{match: [{sniHosts: [a.example.com]}], route: [{destination: {host: vault, subset: v1}}]}, {match: [{sniHosts: ["*.b.example.com"]}], route: [{destination: {host: vault, subset: v2}}]}]',
      ],
      rows: [
        [{ ...vault, sni: 'a.example.com' }, 'vault:8443/v1'],
        [{ ...vault, sni: 'x.b.example.com' }, 'vault:8443/v2'],
        [{ ...vault, sni: 'c.example.com' }, 'PassthroughCluster'],
        [vault, 'PassthroughCluster'],
      ],
    },
    {
      why: 'names in any case, the longest first',
      specs: [
        'hosts: [vault, "*.example.com"], tls: [{match: [{sniHosts: ["*.Example.com"]}], route: [{destination: {host: vault, subset: v1}}]}, {match: [{sniHosts: [A.example.com]}], route: [{destination: {host: vault, subset: v2}}]}]',
      ],
      rows: [
        [{ ...vault, sni: 'a.example.com' }, 'vault:8443/v2'],
        [{ ...vault, sni: 'b.example.com' }, 'vault:8443/v1'],
      ],
    },
    {
      why: 'of equal conditions the first',
      specs: [
        'hosts: [vault, a.example.com], tls: [{match: [{sniHosts: [a.example.com], sourceLabels: {app: other}}], route: [{destination: {host: db}}]}, {match: [{sniHosts: [a.example.com]}], route: [{destination: {host: vault, subset: v1}}]}, {match: [{sniHosts: [a.example.com]}], route: [{destination: {host: vault, subset: v2}}]}]',
      ],
      rows: [[{ ...vault, sni: 'a.example.com' }, 'vault:8443/v1']],
    },
    {
      why: 'a name that two routes have is the first one’s, and the rest of the second holds',
      specs: [
        'hosts: [vault, a.example.com, b.example.com], tls: [{match: [{sniHosts: [a.example.com]}], route: [{destination: {host: vault, subset: v1}}]}, {match: [{sniHosts: [a.example.com, b.example.com]}], route: [{destination: {host: vault, subset: v2}}]}]',
      ],
      rows: [
        [{ ...vault, sni: 'a.example.com' }, 'vault:8443/v1'],
        [{ ...vault, sni: 'b.example.com' }, 'vault:8443/v2'],
      ],
    },
    {
      why: 'the same name at some addresses',
      specs: [
        'hosts: ["*.wikipedia.org"], tls: [{match: [{sniHosts: [de.wikipedia.org], destinationSubnets: [93.184.1.7/16]}], route: [{destination: {host: egress, port: {number: 443}}}]}, {match: [{sniHosts: ["*.wikipedia.org", de.wikipedia.org], destinationSubnets: [93.184.0.0/16, 93.185.0.0/16]}], route: [{destination: {host: vault, port: {number: 8443}}}]}]',
      ],
      rows: [
        [{ address: '93.184.1.1', port: 443, sni: 'de.wikipedia.org' }, 'egress:443'],
        [{ address: '93.184.1.1', port: 443, sni: 'en.wikipedia.org' }, 'vault:8443'],
        [{ address: '93.185.1.1', port: 443, sni: 'de.wikipedia.org' }, 'vault:8443'],
      ],
    },
    {
      why: 'by weight',
      specs: [
        'hosts: [vault, a.example.com], tls: [{match: [{sniHosts: [a.example.com]}], route: [{destination: {host: vault, subset: v1}, weight: 1}, {destination: {host: vault, subset: v2}, weight: 9}]}]',
      ],
      rows: [[{ ...vault, sni: 'a.example.com' }, 'vault:8443/v1=1 vault:8443/v2=9']],
    },
    {
      why: 'a host without address, through an egress gateway',
      specs: [
        'hosts: ["*.wikipedia.org"], tls: [{match: [{sniHosts: ["*.wikipedia.org"], port: 443}], route: [{destination: {host: egress, port: {number: 443}}}]}]',
      ],
      rows: [
        [{ address: '93.184.1.1', port: 443, sni: 'de.wikipedia.org' }, 'egress:443'],
        [{ address: '93.184.1.1', port: 443, sni: 'example.org' }, 'PassthroughCluster'],
      ],
    },
    {
      why: 'some names of a host without address; the others go where they would',
      specs: [
        'hosts: ["*.wikipedia.org"], tls: [{match: [{sniHosts: [de.wikipedia.org]}], route: [{destination: {host: egress, port: {number: 443}}}]}]',
      ],
      rows: [
        [{ address: '93.184.1.1', port: 443, sni: 'de.wikipedia.org' }, 'egress:443'],
        [{ address: '93.184.1.1', port: 443, sni: 'en.wikipedia.org' }, 'PassthroughCluster'],
      ],
    },
    {
      why: 'by name and address',
      specs: [
        'hosts: ["*.wikipedia.org"], tls: [{match: [{sniHosts: [de.wikipedia.org], destinationSubnets: [93.184.0.0/16]}], route: [{destination: {host: egress, port: {number: 443}}}]}]',
      ],
      rows: [
        [{ address: '93.184.1.1', port: 443, sni: 'de.wikipedia.org' }, 'egress:443'],
        [{ address: '93.185.1.1', port: 443, sni: 'de.wikipedia.org' }, 'PassthroughCluster'],
      ],
    },
  ],
};

for (const [name, cases] of Object.entries(suites)) {
  describe(name, () => {
    for (const { why, specs, rows, from } of cases) {
      test(why, () => {
        const documents = specs.map(
          (spec, i) => `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: routes-${i}}
spec: {${spec}}
`,
        );
        const mesh = simulateMesh(services + documents.join(''), from);
        for (const [called, goes] of rows)
          assert.equal(short(mesh.call(called)), goes, JSON.stringify(called));
      });
    }
  });
}
