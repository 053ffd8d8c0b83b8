/** Versions of the Gateway API's definitions (IST0176). */
import type { Analyzer } from '../analyzer.ts';
import { asText } from '../loose.ts';
import { type Message, message } from '../message.ts';

/** The release of the Gateway API that a definition has to be of at least: since when it has the version read. */
const least: Readonly<Record<string, readonly [major: number, minor: number]>> = {
  'tlsroutes.gateway.networking.k8s.io': [1, 5],
};

export const crdVersionAnalyzer: Analyzer = {
  name: 'k8sgateway.CRDVersionAnalyzer',
  description: 'Definitions of the Gateway API that are older than what reads them',
  codes: ['IST0176'],
  analyze: (world) =>
    world.of('apiextensions.k8s.io', 'CustomResourceDefinition').flatMap((definition): Message[] => {
      const needed = least[definition.name];
      const annotation = 'gateway.networking.k8s.io/bundle-version';
      const written = asText(definition.annotations[annotation]);
      const parts = /^v(\d+)\.(\d+)/.exec(written ?? '');
      if (needed === undefined || parts === null) return [];
      const [major, minor] = [Number(parts[1]), Number(parts[2])];
      if (major > needed[0] || (major === needed[0] && minor >= needed[1])) return [];
      const path = ['metadata', 'annotations', annotation];
      const text = `${written} is older than v${needed.join('.')}.0, which is needed at least`;
      return [message('IST0176', definition, path, text)];
    }),
};
