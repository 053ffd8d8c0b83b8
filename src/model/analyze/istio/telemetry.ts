/** Telemetries whose provider is not said (IST0157), or is of a sort that Istio has given up (IST0002). */
import type { Analyzer } from '../analyzer.ts';
import { asList, asObjects, asText, valueAt } from '../loose.ts';
import { type Message, message } from '../message.ts';

const group = 'telemetry.istio.io';

export const telemetryProviderAnalyzer: Analyzer = {
  name: 'telemetry.ProviderAnalyzer',
  description: 'Access logs that nobody is told to write',
  codes: ['IST0157'],
  analyze(world) {
    const defaults = asList(valueAt(world.meshConfig, 'defaultProviders', 'accessLogging'));
    if (defaults.length > 0) return [];
    return world.of(group, 'Telemetry').flatMap((telemetry): Message[] => {
      const logs = asObjects(telemetry.spec.accessLogging);
      const index = logs.findIndex(({ providers }) => asList(providers).length === 0);
      if (index < 0) return [];
      const text = 'is ignored: there is neither a provider here nor one by default in the MeshConfig';
      return [message('IST0157', telemetry, ['spec', 'accessLogging', index], text, 'write providers')];
    });
  },
};

export const lightstepAnalyzer: Analyzer = {
  name: 'telemetry.LightstepAnalyzer',
  description: 'Tracing by Lightstep, which Istio reaches through OpenTelemetry now',
  codes: ['IST0002'],
  analyze(world) {
    const lightsteps = asObjects(world.meshConfig.extensionProviders)
      .filter(({ lightstep }) => lightstep !== undefined)
      .flatMap(({ name }) => asText(name) ?? []);
    return world.of(group, 'Telemetry').flatMap((telemetry) =>
      asObjects(telemetry.spec.tracing).flatMap((tracing, t) =>
        asObjects(tracing.providers).flatMap((provider, p): Message[] => {
          if (!lightsteps.includes(asText(provider.name) ?? '')) return [];
          const path = ['spec', 'tracing', t, 'providers', p, 'name'];
          const text = `${String(provider.name)} is a provider of the sort lightstep, which is deprecated`;
          return [message('IST0002', telemetry, path, text, 'make it one of opentelemetry')];
        }),
      ),
    );
  },
};
