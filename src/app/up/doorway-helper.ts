/** The process by which the runner reaches Pods, and Pods what the machine reaches. */
import { heddleCommand, pathWithNode } from '#host/self.ts';
import { cleanEnvironment } from './environment.ts';
import { Helper } from './helper.ts';
import type { MeshServices } from './mesh-services.ts';

const NAME = 'doorway';
const GRACE_MS = 2000;

/** Undefined where traffic is not captured. */
export function doorwayHelper(mesh: MeshServices): Helper | undefined {
  const { network, environment, places } = mesh;
  if (network === undefined) return undefined;
  return new Helper(
    {
      name: NAME,
      prepare: async () =>
        network.besideBridge({
          command: [...heddleCommand(NAME), ...network.doorwayArguments],
          env: cleanEnvironment(environment, pathWithNode(environment.PATH)),
          workingDirectory: process.cwd(),
          logPath: places.log(NAME),
        }),
      isReady: async () => network.isDoorwayOpen,
      onChange: () => mesh.onChange(network),
      graceMs: GRACE_MS,
    },
    mesh,
  );
}
