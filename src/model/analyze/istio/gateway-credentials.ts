/** Certificates of Gateways: Secrets that are not there (IST0101), hold none (IST0161), or are there twice (IST0138). */
import type { Analyzer } from '../analyzer.ts';
import type { AnalysisDocument } from '../document.ts';
import { asLabels, asObject, asObjects, asText, asTexts } from '../loose.ts';
import { type Message, message } from '../message.ts';
import type { World } from '../world.ts';

interface Credential {
  readonly name: string;
  readonly mode: unknown;
  readonly path: readonly (string | number)[];
}

function credentialsOf(gateway: AnalysisDocument): Credential[] {
  return asObjects(gateway.spec.servers).flatMap((server, index) => {
    const { credentialName, credentialNames, mode } = asObject(server.tls);
    const path = ['spec', 'servers', index, 'tls'];
    const single = asText(credentialName);
    return [
      ...(single === undefined ? [] : [{ name: single, mode, path: [...path, 'credentialName'] }]),
      ...asTexts(credentialNames).map((name, i) => ({ name, mode, path: [...path, 'credentialNames', i] })),
    ];
  });
}

export const secretAnalyzer: Analyzer = {
  name: 'gateway.SecretAnalyzer',
  description: 'Certificates that gateways are to read and cannot',
  codes: ['IST0101', 'IST0161'],
  analyze: (world) =>
    world
      .istio('Gateway')
      .flatMap((gateway) =>
        credentialsOf(gateway).flatMap((credential) => credentialMessages(gateway, credential, world)),
      ),
};

/** A gateway reads Secrets of its own namespace alone. */
function credentialMessages(gateway: AnalysisDocument, credential: Credential, world: World): Message[] {
  const { name, mode, path } = credential;
  const selector = asLabels(gateway.spec.selector);
  const namespaces = new Set(world.selected(selector).map(({ namespace }) => namespace));
  if (namespaces.size === 0 && world.selectsIngress(selector)) namespaces.add(world.rootNamespace);
  if (namespaces.size === 0) {
    const text = `no workload is selected that could read the Secret ${name}`;
    return [message('IST0101', gateway, ['spec', 'selector'], text)];
  }
  return [...namespaces].flatMap((namespace) => {
    const secret = world.named('', 'Secret', namespace, name);
    if (secret === undefined) {
      const text = `there is no Secret ${name} in ${namespace}, where the gateway is`;
      return [message('IST0101', gateway, path, text)];
    }
    const wrong = whatIsWrong(secret, mode);
    return wrong === undefined
      ? []
      : [message('IST0161', gateway, path, `the Secret ${namespace}/${name} ${wrong}`)];
  });
}

/** What a server of `mode` misses in a Secret. Keys are those of Kubernetes, or those Istio had before. */
function whatIsWrong({ raw }: AnalysisDocument, mode: unknown): string | undefined {
  const data: Readonly<Record<string, unknown>> = { ...asObject(raw.data), ...asObject(raw.stringData) };
  const has = (...names: readonly string[]): boolean =>
    names.some((name) => asText(data[name]) !== undefined);
  if (!has('tls.crt', 'cert')) return 'has no certificate: tls.crt';
  if (!has('tls.key', 'key')) return 'has no key: tls.key';
  if ((mode === 'MUTUAL' || mode === 'OPTIONAL_MUTUAL') && !has('ca.crt', 'cacert')) {
    return 'has nothing that says who signs the certificates of clients: ca.crt';
  }
  const certificate = certificateText(raw, data);
  return certificate !== undefined && !certificate.includes('-----BEGIN CERTIFICATE-----')
    ? 'has a certificate that is not PEM'
    : undefined;
}

/** Undefined where its values are not shown. */
function certificateText(
  { stringData }: Readonly<Record<string, unknown>>,
  data: Readonly<Record<string, unknown>>,
): string | undefined {
  const plain = asObject(stringData);
  const written = asText(plain['tls.crt']) ?? asText(plain.cert);
  if (written !== undefined) return written;
  try {
    return atob((asText(data['tls.crt']) ?? asText(data.cert) ?? '').replaceAll(/\s/g, ''));
  } catch {
    return '';
  }
}

export const certificateAnalyzer: Analyzer = {
  name: 'gateway.CertificateAnalyzer',
  description:
    'Certificates that several Gateways have, so that clients may reuse connections for the wrong one',
  codes: ['IST0138'],
  analyze(world) {
    const uses = world.istio('Gateway').flatMap((gateway) => {
      const selector = Object.entries(asLabels(gateway.spec.selector)).sort();
      const named = credentialsOf(gateway).map(({ name, path }) => ({ what: name, path }));
      const inFiles = asObjects(gateway.spec.servers).flatMap(({ tls }, index) => {
        const what = asText(asObject(tls).serverCertificate);
        return what === undefined
          ? []
          : [{ what, path: ['spec', 'servers', index, 'tls', 'serverCertificate'] }];
      });
      return [...named, ...inFiles].map(({ what, path }) => ({
        ...{ gateway, what, path },
        place: JSON.stringify([selector, what]),
      }));
    });
    return [...Map.groupBy(uses, ({ place }) => place).values()].flatMap((same) => {
      const first = new Map(same.toReversed().map((use) => [use.gateway, use]));
      if (first.size < 2) return [];
      return [...first.values()].map(({ gateway, what, path }) => {
        const others = [...first.keys()].filter((one) => one !== gateway).map(({ key }) => key);
        const text = `${others.join(', ')} has the certificate ${what} too: browsers reuse connections across hosts`;
        return message('IST0138', gateway, path, text, 'put the servers into one Gateway');
      });
    });
  },
};
