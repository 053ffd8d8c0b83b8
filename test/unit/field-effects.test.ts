/** No field is taken and forgotten: without it some golden case would come out otherwise, or it is said why none does. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Kind, kinds } from '#model/kinds.ts';
import { effectiveFields, takenFields } from '../support/field-effects.ts';

const ofIstio = (Object.keys(kinds) as Kind[]).filter((kind) => kinds[kind].group.endsWith('.istio.io'));

/** Fields, as `KIND PATH`, whose effect no golden case shows. */
const elsewhere: readonly { readonly field: RegExp; readonly why: string }[] = [
  {
    field: /^WorkloadGroup /,
    why: 'takes effect when an instance registers: src/control/register/registrar.test.ts, src/app/probe',
  },
  { field: /^ProxyConfig /, why: 'takes effect where proxies are started: src/app/up/plan.test.ts' },
  {
    field: /^Gateway spec\.servers\[\]\.name$/,
    why: 'has to be unique, and that is all: src/model/gateway.test.ts',
  },
  {
    field:
      /^Sidecar .*\.tls\.(httpsRedirect|credentialNames?|caCertCredentialName|tlsCertificates.*|subjectAltNames)$/,
    why: 'is for Gateways, and an error: src/model/sidecar.test.ts',
  },
  { field: /^(WorkloadEntry|ServiceEntry) .*network$/, why: 'has no effect, as its page says' },
  {
    field: /^EnvoyFilter spec\.configPatches\[\]\.match\.(listener\.portName|waypoint.*)$/,
    why: 'has no effect, as its page says',
  },
  {
    field: /^EnvoyFilter spec\.targetRefs\[\]\.namespace$/,
    why: 'may only be empty: src/model/envoy-filter.test.ts',
  },
  { field: /^DestinationRule .*consecutiveErrors$/, why: 'has no effect, as its page says' },
];

describe('every field that is taken', () => {
  const effective = effectiveFields((kind) => (ofIstio as readonly string[]).includes(kind));
  const without = ofIstio
    .flatMap((kind) => takenFields(kind).map((field) => `${kind} ${field}`))
    .filter((field) => !effective.has(field));

  test('has an effect', () => {
    assert.deepEqual(
      without.filter((name) => !elsewhere.some(({ field }) => field.test(name))),
      [],
    );
  });

  test('or is known to have none here', () => {
    for (const { field, why } of elsewhere)
      assert.ok(
        without.some((name) => field.test(name)),
        why,
      );
  });
});
