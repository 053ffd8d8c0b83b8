/** Whether an HTTP endpoint says 200: how proxies and the control plane tell that they are ready. */
import { get } from 'node:http';

/** Connections are not kept: what is asked may have ended and begun anew since. */
export function saysReady(url: string, timeoutMs = 1_000): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get(url, { agent: false, timeout: timeoutMs }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
  });
}
